"""One life of a master, from the ground up: each room stands on those before it, and is closed before them."""

from __future__ import annotations

from fleetfold_master.runtime.api_wiring import open_api, serve
from fleetfold_master.runtime.auth import open_auth
from fleetfold_master.runtime.engines import drive, open_engines_of_work
from fleetfold_master.runtime.infrastructure import Setup, open_infrastructure
from fleetfold_master.runtime.lifetime import GRACE_S, Lifetime
from fleetfold_master.runtime.periodic import keep_going

__all__ = [
    "GRACE_S",
    "Lifetime",
    "Setup",
    "drive",
    "keep_going",
    "open_api",
    "open_auth",
    "open_engines_of_work",
    "open_infrastructure",
    "serve",
]  # fmt: skip
