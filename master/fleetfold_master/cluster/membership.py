"""A master's membership: it writes heartbeats, watches those of the others, and takes over from dead masters.

Clocks of different machines are never compared. A master is dead when this one has completed several heartbeats over
two seconds of its own monotonic clock, while the other completed none. So neither a stalled database nor a pause of
this process makes others look dead. A master that is wrongly held for dead loses its lease and nothing else: see
`store.fence`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog

from fleetfold_master.cluster import master_rows
from fleetfold_master.cluster.master_rows import Seen, StoredMaster, Taken
from fleetfold_master.store import Store
from fleetfold_master.store.master_tables import LEFT
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.ids import new_id

__all__ = ["BEAT_S", "Membership"]

log = structlog.get_logger(__name__)

BEAT_S = 0.5
MISSED = 4
"""Own heartbeats without one of another's until that master is dead. With `BEAT_S`: at most 2.5 s after its last."""
SILENT_S = 1.9
"""And at least so many seconds, in case the own heartbeats come faster."""

AMISS = 2
"""Own heartbeats without one of another's until it is reported silent: at equal pace either may miss one."""

OnTaken = Callable[[Taken], Awaitable[None]]


@dataclass(slots=True)
class _Watched:
    beat: int
    since: float
    missed: int = 0

    def is_dead(self, now: float) -> bool:
        return self.beat == LEFT or (self.missed >= MISSED and now - self.since >= SILENT_S)


class Membership:
    """The membership of one master for one lifetime; its `id` is new at each start.

    `others` are the live masters as of the last heartbeat. `lost` is set when this master has lost its lease.
    """

    def __init__(self, store: Store, clock: Clock, seat: str) -> None:
        self.id = new_id()
        self.others: frozenset[str] = frozenset()
        self.lost = asyncio.Event()
        self.on_taken: OnTaken | None = None
        """Resumes what was taken over; called again until it succeeds. While it is None, nothing is taken over."""
        self._store, self._clock, self._seat = store, clock, seat
        self._watched: dict[str, _Watched] = {}
        self._beating, self._driving = BackgroundTasks(), BackgroundTasks()

    async def join(self) -> None:
        """Join, with the work of the last process of this data directory, of masters that left, and unowned work.

        From now on the store lets this master write only while it holds the lease; `start` renews it.
        """
        me = StoredMaster(self.id, self._seat, 0, socket.gethostname()[:255], os.getpid(), self._clock.wall())
        await self._store.script(lambda script: master_rows.join(script, me))
        self._store.fence.master = self.id
        self._store.fence.on_lost = self.lost.set

    def share_of(self, many: int) -> int:
        """This master's share of `many`, divided evenly by the live masters; at least 1, so that each progresses."""
        everyone = sorted((*self.others, self.id))
        each, rest = divmod(many, len(everyone))
        return max(1, each + (everyone.index(self.id) < rest))

    def start(self) -> None:
        """Write heartbeats until `leave`."""
        self._beating.spawn(self._beat_on())

    async def leave(self) -> None:
        """Leave: the other masters take over at their next heartbeat."""
        await self._beating.cancel()
        await self._driving.cancel()
        try:
            await self._store.script(partial(master_rows.leave, me=self.id))
        except FleetfoldError as error:  # the lease is lost, or the database is unavailable: the peers will notice
            log.info("master.not_left", reason=error.message)

    def silent_s(self, master: str) -> float | None:
        """Seconds since another master's last heartbeat, by this one's clock; None while it is not overdue."""
        watched = self._watched.get(master)
        if watched is None or watched.missed < AMISS:
            return None
        return self._clock.monotonic() - watched.since

    async def beat(self) -> None:
        """Write a heartbeat, check the other masters, and take over from dead ones."""
        seen = await self._store.script(partial(master_rows.beat, me=self.id))
        dead = self._look_at(seen)
        self.others = frozenset(each.id for each in seen if each not in dead)
        if self.on_taken is not None:
            for each in dead:
                await self._take(each, self.on_taken)

    def _look_at(self, seen: list[Seen]) -> list[Seen]:
        """Record the heartbeats that were seen. Returns the dead masters."""
        now = self._clock.monotonic()
        before, self._watched = self._watched, {}
        for each in seen:
            watched = before.get(each.id)
            if watched is None or watched.beat != each.beat:
                watched = _Watched(each.beat, now)
            else:
                watched.missed += 1
            self._watched[each.id] = watched
        return [each for each in seen if self._watched[each.id].is_dead(now)]

    async def _take(self, dead: Seen, on_taken: OnTaken) -> None:
        taken = await self._store.script(partial(master_rows.take, dead=dead, me=self.id))
        self._watched.pop(dead.id, None)
        if taken is None:
            return
        jobs, transactions = len(taken.jobs), len(taken.transactions)
        log.warning("master.taken_over", dead=dead.id, left=dead.beat == LEFT, jobs=jobs, transactions=transactions)
        self._driving.spawn(self._drive_on(taken, on_taken))

    async def _drive_on(self, taken: Taken, on_taken: OnTaken) -> None:
        """Resume what was taken over. Retried until it succeeds, or the lease is lost: no other master will do it."""
        while not self.lost.is_set():
            try:
                await on_taken(taken)
            except FleetfoldError as error:
                log.warning("master.not_driven_on", reason=error.message)
            except Exception:  # a defect must not abandon them
                log.exception("master.driving_on_broke")
            else:
                return
            await self._clock.sleep(BEAT_S)

    async def _beat_on(self) -> None:
        while not self.lost.is_set():
            await self._clock.sleep(BEAT_S)
            try:
                await self.beat()
            except FleetfoldError as error:
                log.warning("master.not_beaten", reason=error.message)
            except Exception:  # a database that is unavailable comes back
                log.exception("master.beat_broke")
