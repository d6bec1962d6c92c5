"""One life of a master, from the ground up: each room stands on those before it, and is closed before them."""

from __future__ import annotations

from fleetfold_master.life.desk import open_desk, serve
from fleetfold_master.life.door import open_door
from fleetfold_master.life.ground import Setup, open_ground
from fleetfold_master.life.rounds import keep_going
from fleetfold_master.life.span import GRACE_S, Span
from fleetfold_master.life.work import drive, open_work

__all__ = [
    "GRACE_S", "Setup", "Span", "drive", "keep_going", "open_desk", "open_door", "open_ground", "open_work", "serve",
]  # fmt: skip
