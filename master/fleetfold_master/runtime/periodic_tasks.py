"""What a master does again and again."""

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

__all__ = ["Chore", "every", "keep_streams", "turn_out"]

log = structlog.get_logger(__name__)

Chore = Callable[[], Awaitable[None] | None]


async def every(clock: Clock, pause_s: float, *chores: Chore) -> None:
    """Do `chores` again and again; one that fails is done again in its next turn, and holds up no other."""
    while True:
        await clock.sleep(pause_s)
        for chore in chores:
            try:
                if (work := chore()) is not None:
                    await work
            except FleetfoldError as error:
                log.warning("master.chore_failed", reason=error.message)
            except Exception:  # a defect in one round must not end the sweep for good
                log.exception("master.chore_broke")


async def turn_out(access: AccessContainer, connections: ConnectionMonitor) -> None:
    """End what a master that died had decided to end, and had not yet."""
    for name in filter(access.has_lost_its_place, await connections.names()):
        log.warning("master.turned_out", name=name, connections=await connections.drop(name))


async def keep_streams(bus: Bus, fleet: NodeGateway, jobs: Jobs, transactions: Transactions) -> None:
    """What the broker has lost is made anew, and sent again."""
    if bus.link.is_up and await fleet.ensure():
        log.warning("master.broker_lost_its_store")
        await jobs.resend_all()
        await transactions.resend_all()
