"""Schedules: what is run or transacted again and again, when, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message

__all__ = [
    "Firing", "FiringState", "Misfire", "Overlap", "ScheduleFire", "ScheduleGet", "ScheduleList", "ScheduleListed",
    "ScheduleName", "SchedulePause", "SchedulePut", "ScheduleRemove", "ScheduleRemoved", "ScheduleResume",
    "ScheduleSpec", "ScheduleState", "ScheduleView",
]  # fmt: skip

Misfire = Literal["skip", "one", "all"]
Overlap = Literal["skip", "queue", "allow"]
FiringState = Literal["due", "queued", "started", "done", "skipped", "refused"]
ScheduleState = Literal["waiting", "paused", "ended"]
ScheduleName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$(?!\n)")]
"""Short enough for the ids of its firings."""


class ScheduleSpec(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """What to do, and when. `cron` (minute, hour, day of the month, month, day of the week) is read in `timezone`, an
    IANA name; or `every_s` seconds. Each firing is put off by up to `jitter_s`. Nothing is fired before `not_before` or
    after `not_after` (Unix seconds).

    `run` has the fields of `actions.run`, `transact` those of `tx.run`, without `id`, `wait_ms` and `dry_run`.

    `misfire`, for firings more than a minute late because no master was there: `skip` them, catch up with `one`, or
    with `all` (the last 100 of them, one after the other unless `overlap` is `allow`). `overlap`, when the firing
    before has not ended: `skip` this one, `queue` one, or `allow` both at once. The last `keep` firings are remembered.
    """

    name: ScheduleName
    cron: Annotated[str, Meta(max_length=200)] | None = None
    every_s: Annotated[int, Meta(ge=1, le=366 * 86_400)] | None = None
    jitter_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    timezone: Annotated[str, Meta(max_length=64)] = "UTC"
    run: dict[str, Any] | None = None
    transact: dict[str, Any] | None = None
    misfire: Misfire = "one"
    overlap: Overlap = "skip"
    not_before: float | None = None
    not_after: float | None = None
    keep: Annotated[int, Meta(ge=1, le=1000)] = 50
    paused: bool = False


class Firing(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One time a schedule was due, or several that were missed. `id` is that of its job or transaction.

    `queued` waits for the firing before, `due` is about to start. `why` it was skipped or refused; `outcome` is the
    state in which its job or transaction has ended. `by` is who asked for it, when it was not the clock.
    """

    id: str
    planned_at: float
    state: FiringState
    decided_at: float
    outcome: str | None = None
    why: str = ""
    by: str = ""


class ScheduleView(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A schedule as it stands. Its firings are started in the name of `caller`, who has put it last, if it still may
    then. `last` is its latest firing; `firings` are filled by `schedules.get` alone, newest first.
    """

    spec: ScheduleSpec
    version: int
    caller: str
    state: ScheduleState
    created_at: float
    changed_at: float
    next_at: float | None = None
    last: Firing | None = None
    firings: list[Firing] = []


class SchedulePut(Message, frozen=True, kw_only=True):
    """`schedules.put`: make it, or put it in the place of the one of that name. The next firing is the first that the
    new one has from now on.

    What is new in what it does is checked as its dry run would be, in the name of the caller. With `unchecked` its
    nodes and actions need not be there yet: then a firing tells.
    """

    spec: ScheduleSpec
    unchecked: bool = False


class ScheduleGet(Message, frozen=True, kw_only=True):
    """`schedules.get`: one, with the latest of its firings."""

    name: str
    firings: Annotated[int, Meta(ge=0, le=1000)] = 20


class ScheduleList(Message, frozen=True, kw_only=True):
    """`schedules.list`, by name; the page after the name `after`."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    after: str = ""


class ScheduleListed(Message, frozen=True, kw_only=True):
    schedules: list[ScheduleView]


class ScheduleRemove(Message, frozen=True, kw_only=True):
    """`schedules.remove`: it and its history; what it has started goes on."""

    name: str


class ScheduleRemoved(Message, frozen=True, kw_only=True):
    name: str


class SchedulePause(Message, frozen=True, kw_only=True):
    """`schedules.pause`: nothing is fired until it is resumed; what is queued is skipped."""

    name: str


class ScheduleResume(Message, frozen=True, kw_only=True):
    """`schedules.resume`: from now on; what would have been fired meanwhile is not caught up with."""

    name: str


class ScheduleFire(Message, frozen=True, kw_only=True):
    """`schedules.fire`: now, whatever the clock says. `Conflict` while the firing before goes on, unless its overlap
    policy allows both. The same `id` is the same firing.
    """

    name: str
    id: Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^[A-Za-z0-9]+$(?!\n)")]
