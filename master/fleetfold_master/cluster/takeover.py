"""Taking over the work of dead masters, and resuming it.

The work is taken over in one transaction of the database, and its resumption is repeated until it succeeds or the lease
is lost, because no other master will do it. That is why `resume` is awaited, and is no subscriber of an event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from fleetfold_master.cluster import master_rows
from fleetfold_master.cluster.master_rows import Seen, TakenOver
from fleetfold_master.cluster.membership import HEARTBEAT_S, Membership
from fleetfold_master.store import Store
from fleetfold_master.store.master_tables import LEFT
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import FleetfoldError

__all__ = ["Resume", "Takeover"]

log = structlog.get_logger(__name__)

Resume = Callable[[TakenOver], Awaitable[None]]
"""Resumes what was taken over; called again until it succeeds."""


class Takeover:
    """Takes over from the masters that `membership` finds dead. Until `start` nothing is taken over."""

    def __init__(self, store: Store, clock: Clock, membership: Membership, resume: Resume) -> None:
        self._store, self._clock, self._membership, self._resume = store, clock, membership, resume
        self._looking, self._resuming = BackgroundTasks(), BackgroundTasks()

    def start(self) -> None:
        """Take over from dead masters until `stop`."""
        self._looking.spawn(self._run())

    async def once(self) -> None:
        """Take over from the masters that were dead at the last heartbeat."""
        for dead in self._membership.dead:
            await self._take(dead)

    async def stop(self) -> None:
        """Stop; what was taken over is resumed by the next owner."""
        await self._looking.cancel()
        await self._resuming.cancel()

    async def _run(self) -> None:
        while True:
            await self._membership.until_dead()
            try:
                await self.once()
            except FleetfoldError as error:
                log.warning("master.takeover_failed", reason=error.message)
            except Exception:  # a database that is unavailable comes back
                log.exception("master.takeover_broke")

    async def _take(self, dead: Seen) -> None:
        taken = await self._store.script(partial(master_rows.take, dead=dead, me=self._membership.id))
        if taken is None:
            return
        jobs, transactions = len(taken.jobs), len(taken.transactions)
        log.warning(
            "master.taken_over", dead=dead.id, left=dead.heartbeats == LEFT, jobs=jobs, transactions=transactions
        )
        self._resuming.spawn(self._resume_until_done(taken))

    async def _resume_until_done(self, taken: TakenOver) -> None:
        while not self._membership.lost.is_set():
            try:
                await self._resume(taken)
            except FleetfoldError as error:
                log.warning("master.not_resumed", reason=error.message)
            except Exception:  # a defect must not abandon them
                log.exception("master.resumption_broke")
            else:
                return
            await self._clock.sleep(HEARTBEAT_S)
