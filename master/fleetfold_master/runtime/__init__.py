"""The composition root: builds a master's parts in order of dependency and closes them in the reverse order."""

from __future__ import annotations

from fleetfold_master.runtime.api_wiring import open_api, serve
from fleetfold_master.runtime.auth import open_auth
from fleetfold_master.runtime.cluster import open_cluster, resume_work, start_delivery
from fleetfold_master.runtime.engines import open_engines
from fleetfold_master.runtime.infrastructure import MasterSettings, open_infrastructure
from fleetfold_master.runtime.lifetime import GRACE_S, Lifetime
from fleetfold_master.runtime.periodic import start_periodic_tasks
from fleetfold_master.runtime.subscriptions import subscriptions
from fleetfold_master.runtime.supervisor import Supervisor

__all__ = [
    "GRACE_S", "Lifetime", "MasterSettings", "Supervisor", "open_api", "open_auth", "open_cluster", "open_engines",
    "open_infrastructure", "resume_work", "serve", "start_delivery", "start_periodic_tasks", "subscriptions",
]  # fmt: skip
