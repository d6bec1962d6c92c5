"""The composition root: builds a master's parts in order of dependency and closes them in the reverse order."""

from __future__ import annotations

from fleetfold_master.runtime.api_wiring import open_api, serve
from fleetfold_master.runtime.auth import open_auth
from fleetfold_master.runtime.cluster import open_cluster, resume_work, start_delivery
from fleetfold_master.runtime.engines import open_engines
from fleetfold_master.runtime.event_subscribers import event_subscribers
from fleetfold_master.runtime.infrastructure import MasterSettings, open_infrastructure
from fleetfold_master.runtime.lifetime import GRACE_S, Lifetime
from fleetfold_master.runtime.master_restarts import Supervisor
from fleetfold_master.runtime.periodic_tasks import start_periodic_tasks

__all__ = [
    "GRACE_S",
    "Lifetime",
    "MasterSettings",
    "Supervisor",
    "event_subscribers",
    "open_api",
    "open_auth",
    "open_cluster",
    "open_engines",
    "open_infrastructure",
    "resume_work",
    "serve",
    "start_delivery",
    "start_periodic_tasks",
]  # fmt: skip
