"""Decisions about a due schedule: pure functions of its row, its open firings and the time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Firing, FiringState, Run, ScheduleSpec, ScheduleState, ScheduleView, Transact
from fleetfold_shared.recurrence import Recurrence

__all__ = [
    "LATE_S", "MOST_CAUGHT_UP", "NewFiring", "OpenFiring", "ScheduleChanges", "StoredSchedule", "Work", "asked_id",
    "decide", "firing_id", "work_of",
]  # fmt: skip

LATE_S = 60.0
"""A firing that is later than that, in seconds, was missed: the masters check once a second."""
FRESH_S = 5.0
"""Of several due at once, those that are no later than that, in seconds, were not missed."""
MOST_CAUGHT_UP = 100

Work = Run | Transact
W = TypeVar("W", Run, Transact)
Kind = Literal["run", "transact"]
_LEFT_OUT = {"v", "id", "wait_ms", "dry_run"}
"""Fields that the firing sets itself."""


class StoredSchedule(msgspec.Struct, frozen=True):
    """A schedule's row. `turn` is its version: each change must have seen the previous one. `anchor` is the origin
    of intervals, `next_at` the next planned time and `due_at` the same with its jitter; None if nothing is
    planned. `looked_at` is the time of the last change."""

    name: str
    version: int
    turn: int
    caller: str
    spec: ScheduleSpec
    anchor: float
    next_at: float | None
    due_at: float | None
    created_at: float
    changed_at: float
    looked_at: float
    removed_at: float | None = None

    @property
    def kind(self) -> Kind:
        """Whether it runs an action or a transaction."""
        return "run" if self.spec.run is not None else "transact"

    @property
    def recurrence(self) -> Recurrence:
        """When it is due."""
        spec = self.spec
        return Recurrence(
            spec.name, spec.cron, spec.every_s, spec.timezone, int(self.anchor), spec.jitter_s, spec.not_before,
            spec.not_after,
        )  # fmt: skip

    def turned(self, now: float, **changes: Any) -> StoredSchedule:
        """The row with the next version."""
        return replace(self, turn=self.turn + 1, looked_at=now, **changes)

    def planned_after(self, after: float, now: float, **changes: Any) -> StoredSchedule:
        """The row of the next version, with the first planned time after `after`; None while it is paused."""
        changed: StoredSchedule = replace(self, **changes)
        recurrence = changed.recurrence
        next_at = None if changed.spec.paused else recurrence.next(after)
        due_at = None if next_at is None else recurrence.due_at(next_at)
        return changed.turned(now, next_at=next_at, due_at=due_at)

    def view(self, last: Firing | None = None, firings: Sequence[Firing] = ()) -> ScheduleView:
        """The schedule as its callers see it."""
        state: ScheduleState = "paused" if self.spec.paused else "ended" if self.next_at is None else "waiting"
        return ScheduleView(
            spec=self.spec, version=self.version, caller=self.caller, state=state, created_at=self.created_at,
            changed_at=self.changed_at, next_at=self.next_at, last=last, firings=list(firings),
        )  # fmt: skip


class OpenFiring(msgspec.Struct, frozen=True):
    """A firing that has not ended; `ended_as` is the state in which its job or transaction ended."""

    id: str
    schedule: str
    planned_at: float
    state: FiringState
    ended_as: str | None = None


class NewFiring(msgspec.Struct, frozen=True):
    """A firing that is about to be stored."""

    id: str
    planned_at: float
    state: FiringState
    why: str = ""


class ScheduleChanges(msgspec.Struct, frozen=True):
    """The changes: the schedule's row, a queued firing that may begin now, and new firings."""

    standing: StoredSchedule
    promoted: str | None = None
    firings: tuple[NewFiring, ...] = ()


def decide(standing: StoredSchedule, firings: Sequence[OpenFiring], now: float) -> ScheduleChanges:
    """The changes of a schedule now, given its firings that have not ended."""
    busy = next((one.id for one in firings if one.state in {"due", "started"}), None)
    queued = sorted((one.planned_at, one.id) for one in firings if one.state == "queued")
    promoted = None
    if queued and busy is None:
        promoted = busy = queued.pop(0)[1]
    if standing.due_at is None or standing.next_at is None or standing.due_at > now:
        return ScheduleChanges(standing.turned(now), promoted)
    times, whole = _due_times(standing, now)
    to_do, missed = _by_misfire_policy(standing, times, now)
    new = _summary(standing, missed, whole=whole)
    new += _by_overlap_policy(standing, to_do, busy, len(queued), now)
    return ScheduleChanges(standing.planned_after(times[-1], now), promoted, tuple(new))


def firing_id(standing: StoredSchedule, planned: float) -> str:
    """The id of a firing, and of its job or transaction; every master computes the same."""
    return f"s-{standing.name}-{standing.version}-{int(planned)}"


def asked_id(standing: StoredSchedule, asked: str) -> str:
    """The id of a firing that a caller requested."""
    return f"s-{standing.name}-{standing.version}-x{asked}"


def work_of(spec: ScheduleSpec, firing: str) -> Work:
    """The work of a firing of that id. Raises `InvalidInput`, naming the field."""
    if (spec.run is None) == (spec.transact is None):
        raise InvalidInput("run: say what to do with run or transact, one of them", field="run")
    if spec.run is not None:
        return _asked(spec.run, Run, "run", firing)
    return _asked(spec.transact or {}, Transact, "transact", firing)


def _asked(given: dict[str, Any], kind: type[W], where: str, firing: str) -> W:
    for key in given:
        if key in _LEFT_OUT or key not in kind.__struct_fields__:
            known = ", ".join(name for name in kind.__struct_fields__ if name not in _LEFT_OUT)
            raise InvalidInput(f"{where}.{key}: there is no such key here; there are {known}", field=f"{where}.{key}")
    return convert_to({**given, "id": firing}, kind, where)


def _due_times(standing: StoredSchedule, now: float) -> tuple[list[int], bool]:
    """The planned times that are due, the latest `MOST_CAUGHT_UP`, and whether those are all."""
    assert standing.next_at is not None
    recurrence = standing.recurrence
    times, whole = recurrence.latest(standing.next_at - 1, now, MOST_CAUGHT_UP)
    while len(times) > 1 and recurrence.due_at(times[-1]) > now:
        times.pop()
    return times or [int(standing.next_at)], whole


def _by_misfire_policy(standing: StoredSchedule, times: list[int], now: float) -> tuple[list[int], list[int]]:
    """Divide planned times into those to fire and those missed."""
    if standing.spec.misfire == "all":
        return times, []
    late_s = [now - standing.recurrence.due_at(at) for at in times]
    fresh = sum(each <= FRESH_S for each in late_s)
    last = 0 if standing.spec.misfire == "skip" and late_s[-1] > LATE_S else 1
    split = len(times) - (fresh or last)
    return times[split:], times[:split]


def _summary(standing: StoredSchedule, missed: list[int], *, whole: bool) -> list[NewFiring]:
    """One history entry for all missed firings."""
    if not missed and whole:
        return []
    at = missed[0] if missed else int(standing.next_at or 0)
    count = f"{len(missed)}{'' if whole else ' or more'}" if missed else "more than are caught up with"
    why = f"missed, for no master was there at the time: {count}"
    return [NewFiring(firing_id(standing, at), at, "skipped", why)]


def _by_overlap_policy(
    standing: StoredSchedule, times: list[int], busy: str | None, queued: int, now: float
) -> list[NewFiring]:
    new: list[NewFiring] = []
    one_by_one = standing.spec.misfire == "all" and len(times) > 1
    for at in times:
        late_s = now - standing.recurrence.due_at(at)
        why = f"{late_s:.0f} s late, for no master was there at the time" if late_s > LATE_S else ""
        state: FiringState = "due"
        if standing.spec.overlap != "allow" and (busy is not None or queued):
            state = "queued" if one_by_one or (standing.spec.overlap == "queue" and not queued) else "skipped"
            why = why if state == "queued" else f"{busy or 'one that is queued'} has not ended"
        queued += state == "queued"
        key = firing_id(standing, at)
        busy = key if state == "due" else busy
        new.append(NewFiring(key, at, state, why))
    return new
