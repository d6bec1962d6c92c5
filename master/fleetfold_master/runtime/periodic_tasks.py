"""The schedule of a master's periodic tasks: what runs how often."""

from __future__ import annotations

from functools import partial

from fleetfold_master.cluster import RELOAD_S
from fleetfold_master.runtime.api_wiring import ApiWiring
from fleetfold_master.runtime.auth import Auth
from fleetfold_master.runtime.engines import Engines
from fleetfold_master.runtime.infrastructure import Infrastructure
from fleetfold_master.runtime.loop_watchdog import LoopWatchdog
from fleetfold_master.runtime.periodic_loop import on_right_clock, restore_streams
from fleetfold_master.store.retention import Retention

__all__ = ["start_periodic_tasks"]

SWEEP_S = 0.5
SCHEDULES_S = 1.0
SAVE_S = 2.0
"""Interval in seconds: the broker's streams are checked, and the registry is written."""
LOOK_S = 2.0
"""Interval in seconds: the master's disk and the broker's stores are looked at."""
DEAD_LETTERS_S = 60.0
PRUNE_S = 3600.0


def start_periodic_tasks(infra: Infrastructure, auth: Auth, engines: Engines, wiring: ApiWiring) -> None:
    """Start all periodic tasks. They run until the lifetime ends."""
    _keep_time(infra, wiring)
    _drive(infra, engines)
    _write(infra, auth, engines, wiring)
    _prune(infra, auth, wiring)
    _watch_loop(infra)
    infra.lifetime.repeat(RELOAD_S, infra.invalidation.reload)


def _watch_loop(infra: Infrastructure) -> None:
    watchdog = LoopWatchdog(infra.connections.cut, lambda: bool(infra.membership.others))
    infra.lifetime.spawn(watchdog.run())
    infra.lifetime.on_close(watchdog.stop)
    watchdog.start()


def _keep_time(infra: Infrastructure, wiring: ApiWiring) -> None:
    infra.lifetime.on_close(wiring.schedules.close)
    infra.lifetime.on_close_stop_tasks()
    infra.lifetime.repeat(SCHEDULES_S, wiring.schedules.sweep)


def _drive(infra: Infrastructure, engines: Engines) -> None:
    sweeps = (infra.presence.sweep, engines.jobs.sweep, engines.transactions.sweep, engines.cancellations.sweep)
    infra.lifetime.repeat(SWEEP_S, *sweeps)
    infra.lifetime.repeat(SWEEP_S, engines.restoration.sweep)


def _write(infra: Infrastructure, auth: Auth, engines: Engines, wiring: ApiWiring) -> None:
    streams = partial(restore_streams, infra.bus, infra.gateway, engines.jobs, engines.transactions)
    settle = wiring.denied.settle
    infra.lifetime.repeat(SAVE_S, infra.registry.save, streams, auth.access.save, settle, wiring.cache.save)
    infra.lifetime.repeat(SAVE_S, engines.jobs.results.save_progress)
    infra.lifetime.repeat(SAVE_S, wiring.counts.save)
    infra.lifetime.repeat(LOOK_S, wiring.surroundings.look)
    infra.lifetime.repeat(infra.setup.check_every_s, infra.store.check_pages)


def _prune(infra: Infrastructure, auth: Auth, wiring: ApiWiring) -> None:
    """Delete what is old: not while this master's clock is known to be wrong, which may be by years."""
    retention = Retention(infra.store, infra.clock, infra.setup.retention)
    prune = partial(on_right_clock, lambda: infra.registry.own_clock_is_wrong)
    infra.lifetime.repeat(PRUNE_S, prune(auth.access.prune), prune(retention.prune))
    infra.lifetime.repeat(PRUNE_S, prune(wiring.counts.prune))
    infra.lifetime.repeat(PRUNE_S, prune(wiring.schedules.prune))
    infra.lifetime.repeat(DEAD_LETTERS_S, prune(infra.dead_letters.prune))
