"""Periodic tasks of a master, and the loop that runs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.identity.connection_monitor import ConnectionMonitor
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.api import NodeGateway
from fleetfold_master.jobs import Jobs
from fleetfold_master.transactions import Transactions
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import FleetfoldError

__all__ = ["PeriodicTask", "disconnect_ended", "every", "on_right_clock", "restore_streams"]

log = structlog.get_logger(__name__)

PeriodicTask = Callable[[], Awaitable[None] | None]


async def every(clock: Clock, pause_s: float, *tasks: PeriodicTask) -> None:
    """Run `tasks` in turn, every `pause_s` seconds. One that fails is logged and run again in the next round."""
    while True:
        await clock.sleep(pause_s)
        for task in tasks:
            try:
                if (work := task()) is not None:
                    await work
            except FleetfoldError as error:
                log.warning("master.task_failed", reason=error.message)
            except Exception:  # a defect in one round must not end the loop
                log.exception("master.task_broke")


def on_right_clock(is_wrong: Callable[[], bool], task: PeriodicTask) -> PeriodicTask:
    """Return the task, skipped in the rounds in which the clock `is_wrong`."""
    return lambda: None if is_wrong() else task()


async def disconnect_ended(access: AccessContainer, connections: ConnectionMonitor) -> None:
    """Disconnect identities whose access ended, but which a master that died did not disconnect any more."""
    for name in filter(access.must_be_disconnected, await connections.names()):
        log.warning("identity.disconnected", name=name, connections=await connections.drop(name))


async def restore_streams(bus: Bus, fleet: NodeGateway, jobs: Jobs, transactions: Transactions) -> None:
    """Create the broker's streams again if it has lost them, and publish the outstanding commands again."""
    if bus.connection.is_up and await fleet.ensure():
        log.warning("master.broker_lost_its_store")
        await jobs.resend_all()
        await transactions.resend_all()
