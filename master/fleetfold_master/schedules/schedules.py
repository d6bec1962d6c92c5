"""The schedules of all masters: stored, changed, and swept once a second.

A firing is inserted in the same commit that advances its schedule, by whichever master is first; the id of its job
or transaction follows from the schedule and the planned time. So after any crash, the next sweep of any master
starts what was not started, and what was started is the same job.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog
from msgspec.structs import replace
from sqlalchemy import RowMapping

from fleetfold_master.schedules import rows
from fleetfold_master.schedules.model import (
    OpenFiring,
    ScheduleChanges,
    StoredSchedule,
    Work,
    asked_id,
    decide,
    work_of,
)
from fleetfold_master.store.database import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import UncancelledTasks, settle_all
from fleetfold_shared.errors import (
    Conflict,
    DeadlineExceeded,
    FleetfoldError,
    InvalidInput,
    NotFound,
    Overloaded,
    TooLarge,
    Unavailable,
)
from fleetfold_shared.messages import Run, ScheduleSpec, ScheduleView, Transact

__all__ = ["Schedules", "Start"]

MOST = 10_000
MOST_BYTES = 128 * 1024
TRIES = 20
AT_ONCE = 32
REMEMBERED_S = 7 * 86_400
"""Seconds for which a removed name keeps its version counter."""
PASSING = (Unavailable, DeadlineExceeded, Overloaded)
"""Errors that may not recur at the next sweep."""

log = structlog.get_logger(__name__)

Start = Callable[[Work, str, str], Awaitable[None]]
"""Starts a firing's work on behalf of its caller, for the schedule of that name."""


class Schedules:
    """Schedules in a store that all masters share. The owner calls `sweep` every second, `prune` periodically, and
    `close`."""

    def __init__(self, store: Store, clock: Clock, start: Start) -> None:
        self._store, self._clock, self._start = store, clock, start
        self._seen = float("inf")
        self._uncancelled = UncancelledTasks()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._starting = asyncio.Lock()

    async def put(self, spec: ScheduleSpec, caller: str) -> ScheduleView:
        """Create or change a schedule; its next firing is the first after now. An equal specification changes nothing.

        Raises `InvalidInput`, naming the field.
        """
        before = await rows.read_named(self._store, spec.name)
        now = self._clock.wall()
        after = _made(spec, caller, now, before)
        _check(after)
        if before is not None and before.removed_at is None and (before.spec, before.caller) == (spec, caller):
            return await self.get(spec.name, firings=0)
        if (before is None or before.removed_at is not None) and await rows.count(self._store) >= MOST:
            raise Overloaded(f"name: there are {MOST:,} schedules; remove some first (`fleetfold schedules remove`)")
        after = after.planned_after(now, now)
        if before is None:
            done = await self._store.claim(rows.made(after))
        else:
            done = await self._store.claim(rows.turned(after, before.turn), rows.skipped(spec.name, "it was changed"))
        if not done:
            return await self.put(spec, caller)  # another master has changed it meanwhile
        return await self.get(spec.name, firings=0)

    async def standing(self, name: str) -> StoredSchedule:
        """The schedule's row. Raises `NotFound`."""
        found = await rows.read_named(self._store, name)
        if found is None or found.removed_at is not None:
            raise NotFound(f"name: there is no schedule {name[:80]!r}; see `fleetfold schedules list`", field="name")
        return found

    async def get(self, name: str, *, firings: int = 20) -> ScheduleView:
        """The schedule with its latest firings. Raises `NotFound`."""
        standing = await self.standing(name)
        history = await rows.read_firings(self._store, name, max(1, firings))
        return standing.view(history[0] if history else None, history[:firings])

    async def page(self, after: str, limit: int) -> list[ScheduleView]:
        """Schedules by name, after the name `after`."""
        page = await rows.read_page(self._store, after, limit)
        last = await rows.read_last(self._store, [one.name for one in page])
        return [one.view(last.get(one.name)) for one in page]

    async def remove(self, name: str) -> None:
        """Remove a schedule and its history. Raises `NotFound`."""
        now = self._clock.wall()
        await self._change(
            name, lambda standing: standing.turned(now, removed_at=now, next_at=None, due_at=None), forget=True
        )

    async def pause(self, name: str) -> ScheduleView:
        """Fire nothing until it is resumed. Raises `NotFound`."""
        return await self._set_paused(name, paused=True)

    async def resume(self, name: str) -> ScheduleView:
        """Fire again, from now on. Raises `NotFound`."""
        return await self._set_paused(name, paused=False)

    async def fire(self, name: str, asked: str, by: str) -> ScheduleView:
        """Fire now, once per id `asked`. Raises `NotFound`, and `Conflict` while the previous firing is running."""
        for _ in range(TRIES):
            standing, now = await self.standing(name), self._clock.wall()
            key = asked_id(standing, asked)
            busy = next((one for one in await rows.read_open(self._store, name) if one.id != key), None)
            if busy is not None and standing.spec.overlap != "allow":
                raise Conflict(f"name: {busy.id} has not ended; wait for it, or put overlap = 'allow'", field="name")
            writes = rows.asked(standing, key, now, by)
            if await self._store.claim(rows.turned(standing.turned(now), standing.turn), writes):
                await self._start_due(key)
                return await self.get(name)
        raise _busy(name)

    async def sweep(self) -> None:
        """Store the firings that are due, start stored ones, and record those that ended."""
        await self._uncancelled.run(self._sweep())

    async def prune(self) -> None:
        """Delete names that were removed long ago."""
        await self._store.write(rows.pruned(self._clock.wall() - REMEMBERED_S))

    async def close(self) -> None:
        """Wait for the writes in progress."""
        await self._uncancelled.close()

    async def _sweep(self) -> None:
        now = self._clock.wall()
        misdated, self._seen = now < self._seen - 1, now
        standings = await rows.read_due(self._store, now, misdated=misdated)
        open_by_name: dict[str, list[OpenFiring]] = defaultdict(list)
        ended = []
        for one in await rows.read_open(self._store):
            if one.ended_as is not None:
                ended.append(one)
            else:
                open_by_name[one.schedule].append(one)
        if ended:
            await self._store.write(rows.ended(ended))
        await settle_all(self._turn(standing, open_by_name[standing.name], now) for standing in standings)
        if standings or any(one.state == "due" for many in open_by_name.values() for one in many):
            await self._start_due()

    async def _turn(self, standing: StoredSchedule, firings: Sequence[OpenFiring], now: float) -> None:
        """Process one schedule; if another master was faster, there is nothing left to do."""
        misdated = standing.looked_at > now + 1  # the clock was set back: planned times may be far off
        turn = ScheduleChanges(standing.planned_after(now, now)) if misdated else decide(standing, firings, now)
        if misdated or turn.promoted or turn.standing.next_at != standing.next_at:
            await self._store.claim(rows.turned(turn.standing, standing.turn), *rows.changes(turn, now))

    async def _start_due(self, key: str | None = None) -> None:
        async with self._starting:  # the sweep leaves a firing that is being requested by hand alone
            await settle_all([self._begin(row) for row in await rows.read_work(self._store, key=key)])

    async def _begin(self, row: RowMapping) -> None:
        """Start one firing's work. A refusal is recorded in its history; a temporary error is tried again."""
        key, name = row["id"], row["schedule"]
        kind: type[Work] = Run if row["kind"] == "run" else Transact
        work = msgspec.json.decode(row["work"], type=kind)
        try:
            async with self._slots:
                await self._start(work, row["caller"], name)
        except PASSING as error:
            log.warning("schedule.start_delayed", schedule=name, firing=key, reason=error.message)
            return
        except FleetfoldError as error:
            if not await rows.known_work(self._store, key, row["kind"]):  # else it was started before
                log.warning("schedule.refused", schedule=name, firing=key, reason=error.message)
                await self._store.write(rows.refused(key, error.message))
                return
        await self._store.write(rows.started(key))

    async def _set_paused(self, name: str, *, paused: bool) -> ScheduleView:
        now = self._clock.wall()

        def change(standing: StoredSchedule) -> StoredSchedule:
            if standing.spec.paused == paused:
                return standing
            return standing.planned_after(now, now, spec=replace(standing.spec, paused=paused))

        await self._change(name, change)
        return await self.get(name)

    async def _change(
        self, name: str, changed: Callable[[StoredSchedule], StoredSchedule], *, forget: bool = False
    ) -> None:
        """Change a schedule on request; its queued firings are skipped."""
        for _ in range(TRIES):
            standing = await self.standing(name)
            after = changed(standing)
            if after is standing:
                return
            rest = rows.forgotten(name) if forget else rows.skipped(name, "it was paused")
            if await self._store.claim(rows.turned(after, standing.turn), rest):
                return
        raise _busy(name)


def _made(spec: ScheduleSpec, caller: str, now: float, before: StoredSchedule | None) -> StoredSchedule:
    """The row, not yet planned. An interval keeps its origin as long as its length stays the same."""
    anchor, version, turn, created_at = float(int(now)), 1, 0, now
    if before is not None:
        version, turn = before.version + 1, before.turn
        if before.removed_at is None:
            created_at = before.created_at
            anchor = before.anchor if before.spec.every_s == spec.every_s else anchor
    return StoredSchedule(
        name=spec.name, version=version, turn=turn, caller=caller, spec=spec, anchor=anchor, next_at=None, due_at=None,
        created_at=created_at, changed_at=now, looked_at=now,
    )  # fmt: skip


def _check(standing: StoredSchedule) -> None:
    standing.recurrence.check()
    work_of(standing.spec, "s-check")
    if (size := len(msgspec.json.encode(standing.spec))) > MOST_BYTES:
        raise TooLarge(f"spec: it takes {size:,} bytes, {MOST_BYTES:,} are the most; pass a reference, not the data")
    if not standing.spec.paused and standing.recurrence.next(standing.changed_at) is None:
        raise InvalidInput("not_after: it would never be due; look at not_before and not_after", field="not_after")


def _busy(name: str) -> Conflict:
    return Conflict(f"name: {name!r} is being changed by others all the time; try again", field="name")
