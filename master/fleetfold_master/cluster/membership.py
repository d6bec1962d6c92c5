"""A master's place among the masters on one database: it beats, watches the others, and takes over from the dead.

No clocks are compared. A master is dead when the database has served this one several times, over two seconds by this
one's own clock, and the other has not beaten once: so a database that stands still, or this master's own sleep, is no
sign of anybody's death. Who is held for dead wrongly loses its place, and nothing else: see `store.fence`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog

from fleetfold_broker.background_tasks import BackgroundTasks
from fleetfold_master.cluster import master_rows
from fleetfold_master.cluster.master_rows import Seen, StoredMaster, Taken
from fleetfold_master.store import Store
from fleetfold_master.store.master_tables import LEFT
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.ids import new_id

__all__ = ["BEAT_S", "Membership"]

log = structlog.get_logger(__name__)

BEAT_S = 0.5
MISSED = 4
"""So many of our own beats without one of another's: it is dead. With `BEAT_S`, 2.5 s at most after its last."""
SILENT_S = 1.9
"""And for so long at least, should our own beats come faster for once."""

AMISS = 2
"""After so many it is called silent: of two that beat at the same pace, either may miss one of the other's."""

OnTaken = Callable[[Taken], Awaitable[None]]


@dataclass(slots=True)
class _Watched:
    beat: int
    since: float
    missed: int = 0

    def is_dead(self, now: float) -> bool:
        return self.beat == LEFT or (self.missed >= MISSED and now - self.since >= SILENT_S)


class Membership:
    """One life of a master: its `id` is new at each start, and when it has lost its place.

    `others` are the masters that live, as of the last beat. `lost` is set when this one has lost its place.
    """

    def __init__(self, store: Store, clock: Clock, seat: str) -> None:
        self.id = new_id()
        self.others: frozenset[str] = frozenset()
        self.lost = asyncio.Event()
        self.on_taken: OnTaken | None = None
        """Drives on what was taken over; until it is there, nothing is. It is called again until it succeeds."""
        self._store, self._clock, self._seat = store, clock, seat
        self._watched: dict[str, _Watched] = {}
        self._beating, self._driving = BackgroundTasks(), BackgroundTasks()

    async def join(self) -> None:
        """Take a place, with the work of whoever had this seat before, of those that left, and of nobody.

        From now on the store lets this master write only while it has its place; `start` to keep it.
        """
        me = StoredMaster(self.id, self._seat, 0, socket.gethostname()[:255], os.getpid(), self._clock.wall())
        await self._store.script(lambda script: master_rows.join(script, me))
        self._store.fence.master = self.id
        self._store.fence.on_lost = self.lost.set

    def share_of(self, many: int) -> int:
        """This master's of so many that all who live may have together: one at the least, so that none stands still."""
        everyone = sorted((*self.others, self.id))
        each, rest = divmod(many, len(everyone))
        return max(1, each + (everyone.index(self.id) < rest))

    def start(self) -> None:
        """Beat, until `leave`."""
        self._beating.spawn(self._beat_on())

    async def leave(self) -> None:
        """Give the place up: the others take over at their next beat."""
        await self._beating.cancel()
        await self._driving.cancel()
        try:
            await self._store.script(partial(master_rows.leave, me=self.id))
        except FleetfoldError as error:  # it has lost its place, or the database is away: the others will notice
            log.info("master.not_left", reason=error.message)

    def silent_s(self, master: str) -> float | None:
        """For how long another has not beaten, by this one's own clock; None while nothing is amiss with it."""
        watched = self._watched.get(master)
        if watched is None or watched.missed < AMISS:
            return None
        return self._clock.monotonic() - watched.since

    async def beat(self) -> None:
        """Show that this one lives, look at the others, take over from the dead."""
        seen = await self._store.script(partial(master_rows.beat, me=self.id))
        dead = self._look_at(seen)
        self.others = frozenset(each.id for each in seen if each not in dead)
        if self.on_taken is not None:
            for each in dead:
                await self._take(each, self.on_taken)

    def _look_at(self, seen: list[Seen]) -> list[Seen]:
        """Remember what was seen; who is dead."""
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
        """The rows are ours: nobody else will, so it is tried until it is done, or they are ours no more."""
        while not self.lost.is_set():
            try:
                await on_taken(taken)
            except FleetfoldError as error:
                log.warning("master.not_driven_on", reason=error.message)
            except Exception:  # a defect must not leave them for good
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
            except Exception:  # a database that is away comes back
                log.exception("master.beat_broke")
