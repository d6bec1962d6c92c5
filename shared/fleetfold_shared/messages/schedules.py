"""Messages for schedules: recurring jobs and transactions, and their firings."""

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
"""Name of a schedule, short enough to be part of its firings' ids."""


class ScheduleSpec(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Definition of a schedule: what to do, and when.

    `cron` (minute, hour, day of the month, month, day of the week) is read in `timezone`, an IANA name; or every
    `every_s` seconds. Each firing is delayed by up to `jitter_s`. Nothing fires before `not_before` or after
    `not_after` (Unix seconds).

    `run` has the fields of `actions.run`, `transact` those of `transactions.run`, without `id`, `wait_ms` and
    `dry_run`. `misfire` applies to firings more than a minute late because no master was running: `skip` them, catch up
    with `one`, or with `all` (the last 100, one after the other unless `overlap` is `allow`). `overlap` applies while
    the previous firing runs: `skip` this one, `queue` one, or `allow` both at once. The last `keep` firings are stored.
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
    """One firing of a schedule, or several missed ones. `id` is that of its job or transaction.

    `queued` waits for the previous firing, `due` is about to start. `why` explains a skipped or refused one; `outcome`
    is the final state of its job or transaction. `by` is the identity that requested it, if it was not the clock.
    """

    id: str
    planned_at: float
    state: FiringState
    decided_at: float
    outcome: str | None = None
    why: str = ""
    by: str = ""


class ScheduleView(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Present state of a schedule. Its firings run on behalf of `caller`, who stored it last, while that identity is
    permitted to. `last` is its latest firing; `firings` are set by `schedules.get` only, newest first.
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
    """`schedules.put`: create a schedule, or replace the one of that name. The next firing is the first of the new one
    from now on.

    New content is checked by a dry run on behalf of the caller. With `unchecked` its nodes and actions need not exist
    yet; a firing then reports what is missing.
    """

    spec: ScheduleSpec
    unchecked: bool = False


class ScheduleGet(Message, frozen=True, kw_only=True):
    """`schedules.get`: return a schedule with its latest `firings`."""

    name: str
    firings: Annotated[int, Meta(ge=0, le=1000)] = 20


class ScheduleList(Message, frozen=True, kw_only=True):
    """`schedules.list`: list schedules by name, from behind the name `after`."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000
    after: str = ""


class ScheduleListed(Message, frozen=True, kw_only=True):
    schedules: list[ScheduleView]


class ScheduleRemove(Message, frozen=True, kw_only=True):
    """`schedules.remove`: delete a schedule and its history; what it has started goes on."""

    name: str


class ScheduleRemoved(Message, frozen=True, kw_only=True):
    name: str


class SchedulePause(Message, frozen=True, kw_only=True):
    """`schedules.pause`: stop firing until it is resumed; a queued firing is skipped."""

    name: str


class ScheduleResume(Message, frozen=True, kw_only=True):
    """`schedules.resume`: fire again from now on; firings missed meanwhile are not caught up."""

    name: str


class ScheduleFire(Message, frozen=True, kw_only=True):
    """`schedules.fire`: fire now. `Conflict` while the previous firing runs, unless the overlap policy allows both. The
    same `id` is the same firing.
    """

    name: str
    id: Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^[A-Za-z0-9]+$(?!\n)")]
