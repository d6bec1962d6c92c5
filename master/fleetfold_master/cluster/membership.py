"""A master's membership: it writes heartbeats, and watches those of the others.

Clocks of different machines are never compared. A master is dead when this one has completed several heartbeats over
two seconds of its own monotonic clock, while the other completed none. So neither a stalled database nor a pause of
this process makes others look dead. A master that is wrongly held for dead loses its lease and nothing else: see
`store.fence`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from functools import partial

import structlog

from fleetfold_master.cluster import master_rows
from fleetfold_master.cluster.master_rows import Seen, StoredMaster
from fleetfold_master.events import MasterJoined, MasterLost, Publish, publish_to_nobody
from fleetfold_master.store import Store
from fleetfold_master.store.master_tables import LEFT
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import MasterMark

__all__ = ["HEARTBEAT_S", "Membership"]

log = structlog.get_logger(__name__)

HEARTBEAT_S = 0.5
MISSED = 4
"""Own heartbeats without one of another's until that master is dead. With `HEARTBEAT_S`: at most 2.5 s after its
last."""
SILENT_S = 1.9
"""And at least so many seconds, in case the own heartbeats come faster."""

AMISS = 2
"""Own heartbeats without one of another's until it is reported silent: at equal pace either may miss one."""


@dataclass(slots=True)
class _Watched:
    heartbeats: int
    since: float
    missed: int = 0

    def is_dead(self, now: float) -> bool:
        return self.heartbeats == LEFT or (self.missed >= MISSED and now - self.since >= SILENT_S)


class Membership:
    """The membership of one master for one lifetime; its `id` is new at each start.

    `mark` tells nodes which master it is, and how far it has come. `others` are the live masters as of the last
    heartbeat, and `dead` those whose work is to be taken over. `lost` is set when this master has lost its lease, or
    `begins_again` for another reason.
    """

    def __init__(self, store: Store, clock: Clock, instance_id: str, publish: Publish = publish_to_nobody) -> None:
        self.id = new_id()
        self._height = self._restoration = 0
        self.begins_again = False
        self.others: frozenset[str] = frozenset()
        self.lost = asyncio.Event()
        self.dead: tuple[Seen, ...] = ()
        self._store, self._clock, self._instance_id, self._publish = store, clock, instance_id, publish
        self._found_dead = asyncio.Event()
        self._watched: dict[str, _Watched] = {}
        self._tasks = BackgroundTasks()

    @property
    def mark(self) -> MasterMark:
        """This master, the number of its heartbeats that are in the database, and of the last restoration."""
        return MasterMark(self.id, self._height, restoration=self._restoration)

    def restored(self, number: int) -> None:
        """Mark what is sent from now on with the number of a restoration."""
        self._restoration = number

    def begin_again(self) -> None:
        """Have this master drop what it has in memory and start anew, as after the loss of its lease."""
        self.begins_again = True
        self.lost.set()

    async def join(self) -> None:
        """Join, with the work of the last process of this data directory, of masters that left, and unowned work.

        From now on the store lets this master write only while it holds the lease; `start` renews it.
        """
        me = StoredMaster(self.id, self._instance_id, 0, socket.gethostname()[:255], os.getpid(), self._clock.wall())
        await self._store.script(lambda script: master_rows.join(script, me))
        self._store.fence.enforce(self.id, self.lost.set)

    def share_of(self, many: int) -> int:
        """This master's share of `many`, divided evenly by the live masters; at least 1, so that each progresses."""
        everyone = sorted((*self.others, self.id))
        each, rest = divmod(many, len(everyone))
        return max(1, each + (everyone.index(self.id) < rest))

    def start(self) -> None:
        """Write heartbeats until `leave`."""
        self._tasks.spawn(self._send_heartbeats())

    async def leave(self) -> None:
        """Leave: the other masters take over at their next heartbeat."""
        await self._tasks.cancel()
        try:
            await self._store.script(partial(master_rows.leave, me=self.id))
        except FleetfoldError as error:  # the lease is lost, or the database is unavailable: the peers will notice
            log.info("master.leave_failed", reason=error.message)

    def silent_s(self, master: str) -> float | None:
        """Seconds since another master's last heartbeat, by this one's clock; None while it is not overdue."""
        watched = self._watched.get(master)
        if watched is None or watched.missed < AMISS:
            return None
        return self._clock.monotonic() - watched.since

    async def heartbeat(self) -> None:
        """Write a heartbeat, and check the other masters."""
        self._height, seen = await self._store.script(partial(master_rows.heartbeat, me=self.id))
        self.dead = self._look_at(seen)
        before, self.others = self.others, frozenset(each.id for each in seen if each not in self.dead)
        if self.dead:
            self._found_dead.set()
        for joined in sorted(self.others - before):
            self._publish(MasterJoined(joined))
        for lost in sorted(before - self.others):
            self._publish(MasterLost(lost))

    async def until_dead(self) -> None:
        """Wait until a heartbeat has found another master dead."""
        await self._found_dead.wait()
        self._found_dead.clear()

    def _look_at(self, seen: list[Seen]) -> tuple[Seen, ...]:
        """Record the heartbeats that were seen. Returns the dead masters."""
        now = self._clock.monotonic()
        before, self._watched = self._watched, {}
        for each in seen:
            watched = before.get(each.id)
            if watched is None or watched.heartbeats != each.heartbeats:
                watched = _Watched(each.heartbeats, now)
            else:
                watched.missed += 1
            self._watched[each.id] = watched
        return tuple(each for each in seen if self._watched[each.id].is_dead(now))

    async def _send_heartbeats(self) -> None:
        while not self.lost.is_set():
            await self._clock.sleep(HEARTBEAT_S)
            try:
                await self.heartbeat()
            except FleetfoldError as error:
                log.warning("master.heartbeat_failed", reason=error.message)
            except Exception:  # a database that is unavailable comes back
                log.exception("master.heartbeat_broke")
