"""The rounds: what a master does again and again, and how often."""

from __future__ import annotations

from functools import partial

from fleetfold_master.cluster import RELOAD_S, ClusterPeers
from fleetfold_master.runtime.api_wiring import ApiWiring
from fleetfold_master.runtime.auth import Auth
from fleetfold_master.runtime.engines import Engines
from fleetfold_master.runtime.infrastructure import Infrastructure
from fleetfold_master.runtime.periodic_tasks import keep_streams
from fleetfold_master.store.retention import Retention

__all__ = ["keep_going"]

SWEEP_S = 0.5
SCHEDULES_S = 1.0
UPKEEP_S = 2.0
"""How often the broker's streams are looked at, and the registry is written."""
LETTERS_S = 60.0
PRUNE_S = 3600.0


def keep_going(ground: Infrastructure, door: Auth, work: Engines, desk: ApiWiring, together: ClusterPeers) -> None:
    """All of them, until the end."""
    _keep_time(ground, desk)
    _drive(ground, work)
    _write(ground, door, work, desk)
    _prune(ground, door, work, desk)
    ground.span.again(RELOAD_S, together.sharing.reload)


def _keep_time(ground: Infrastructure, desk: ApiWiring) -> None:
    ground.span.at_end(desk.schedules.close)
    ground.span.at_end_stand_still()
    ground.span.again(SCHEDULES_S, desk.schedules.sweep)


def _drive(ground: Infrastructure, work: Engines) -> None:
    sweeps = (ground.presence.sweep, work.jobs.sweep, work.transactions.sweep, work.withdrawals.sweep)
    ground.span.again(SWEEP_S, *sweeps)


def _write(ground: Infrastructure, door: Auth, work: Engines, desk: ApiWiring) -> None:
    streams = partial(keep_streams, ground.bus, ground.fleet, work.jobs, work.transactions)
    settle = desk.guard.refusals.settle
    ground.span.again(UPKEEP_S, ground.registry.save, streams, door.access.save, settle, desk.cache.save)
    ground.span.again(UPKEEP_S, work.jobs.save_progress)
    ground.span.again(UPKEEP_S, desk.counts.save)


def _prune(ground: Infrastructure, door: Auth, work: Engines, desk: ApiWiring) -> None:
    upkeep = Retention(ground.store, ground.clock, ground.setup.retention)
    ground.span.again(PRUNE_S, door.access.prune, upkeep.prune)
    ground.span.again(PRUNE_S, desk.counts.prune)
    ground.span.again(PRUNE_S, desk.schedules.prune)
    ground.span.again(LETTERS_S, work.letters.prune)
