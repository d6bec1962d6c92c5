"""Durable commands to nodes, their results, and the jobs a caller sees."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import CallerId
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.execution import Callback, Caller, Progress, RetryPolicy

__all__ = [
    "Command", "CommandResult", "CommandResults", "Job", "JobCancel", "JobFollow", "JobGet", "JobList", "JobListed",
    "JobNode", "JobState", "JobWait", "Outcome", "Params", "Run", "Share",
]  # fmt: skip

Outcome = Literal["ok", "failed", "rejected", "unreachable", "timed_out", "unknown", "no_result"]
"""`failed` and `rejected`: nothing has happened. `timed_out` and `unknown`: it may have happened. `no_result`: the
action ran and its effect stands, but its result could not be carried.
"""
JobState = Literal["checked", "running", "ok", "failed", "partly", "cancelled"]
Params = dict[str, Any]
Share = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,5}|(100|[1-9]?[0-9])%)$(?!\n)")]
"""So many, or a share of them: `3` or `25%`, which is rounded up."""


class Command(Message, frozen=True, kw_only=True):
    """`cmd.<node>`: run an action, or compensate a command that may have run.

    `id` is stable over re-sends; `attempt` counts the deliberate ones, and the message id is `<id>#<attempt>`.
    `epoch` fences a master that lost a transaction. A compensation names the forward command in `compensates`;
    its params may hold `{{field}}` of that command's stored result, which the node fills itself. `start_within_s`
    counts from when the broker stored the message: a command found older is not started. `timeout_s` is for one try,
    `overall_s` for all of them since the broker stored it, and `heartbeat_s` the longest between two words of progress.
    `caller` asked for it: the owner of a schedule, where that has fired; of a compensation, who ran the transaction.
    """

    id: str
    attempt: int
    action: str
    params: Params = {}
    epoch: int = 0
    compensates: str | None = None
    timeout_s: float | None = None
    start_within_s: float | None = None
    heartbeat_s: float | None = None
    overall_s: float | None = None
    retry: RetryPolicy | None = None
    caller: Caller | None = None


class CommandResult(Message, frozen=True, kw_only=True):
    """How a command ended. `starts` counts how often its handler was begun, over all crashes, but for
    tries that failed and left nothing behind.

    A compensation whose forward command never ran is `ok` with `tombstone`, and that command never will. `epochs` are
    those of the node's collections when it said this, by name, counted by this `incarnation` of it. `code` says why
    nobody will do it any more, where that is so: `poison`, `interrupted`, `expired`, `no_action` or `bad_params`.
    `noted`: it kept something for its compensation, so one that failed may have left something behind.
    """

    id: str
    attempt: int
    epoch: int
    outcome: Outcome
    result: Any = None
    error: str | None = None
    starts: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    ms: Annotated[float, Meta(ge=0, le=1e12)] = 0.0
    tombstone: bool = False
    incarnation: str = ""
    epochs: dict[str, int] = {}
    code: str = ""
    noted: bool = False


class CommandResults(Message, frozen=True, kw_only=True):
    """`res.<node>`: how commands ended, one or some."""

    results: list[CommandResult]


class Run(Message, frozen=True, kw_only=True):
    """`actions.run`: on `nodes`, on all active ones that have the action with `all`, which `nodes` may say too, on
    those for which `where` holds, or on `any` one of those these name. `id` is chosen by the caller: the same id is the
    same job, however often it is sent. Answered when the job has ended or after `wait_ms`, whichever comes first.

    `limit` takes so many of them, chosen by `seed`. `batch` runs on so many at a time, with `pause_s` between, and no
    further batch begins when more than `max_failures` did not end well; `sequential` is a batch of one. `dry_run`
    lists who would be asked: the job is `checked`, and nothing begins. An action that is declared destructive needs
    `confirmed` to run on all.

    A command that is not begun after `start_within_s` is not begun any more. One try may take `timeout_s`, and
    `heartbeat_s` between two words of progress; all tries together `overall_s`, which is `timeout_s` when it is absent.
    """

    id: CallerId
    action: str
    params: Params = {}
    nodes: list[str] | Literal["all"] = []
    all: bool = False
    sequential: bool = False
    timeout_s: Annotated[float, Meta(gt=0, le=7 * 86_400)] = 60.0
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    where: Annotated[str, Meta(max_length=2000)] | None = None
    any: bool = False
    limit: Share | None = None
    seed: int | None = None
    batch: Share | None = None
    pause_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    max_failures: Share | None = None
    dry_run: bool = False
    confirmed: bool = False
    start_within_s: Annotated[float, Meta(gt=0, le=7 * 86_400)] | None = None
    heartbeat_s: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    overall_s: Annotated[float, Meta(gt=0, le=30 * 86_400)] | None = None
    retry: RetryPolicy | None = None
    callback: Callback | None = None

    def __post_init__(self) -> None:
        """`nodes="all"` is `all=True`, as it is for a search."""
        if self.nodes == "all":
            msgspec.structs.force_setattr(self, "nodes", [])
            msgspec.structs.force_setattr(self, "all", True)


class JobNode(msgspec.Struct, frozen=True, omit_defaults=True):
    """One node's part of a job; `outcome` is absent while it runs. `began`: it was told to. `would_run`: this is a dry
    run, and the node was told nothing.
    """

    node: str
    outcome: Outcome | None = None
    result: Any = None
    error: str | None = None
    ms: float | None = None
    progress: Progress | None = None
    began: bool = False
    would_run: bool = False


class Job(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A run of an action. `ok` when every node was, `failed` when none was, `partly` otherwise; `cancelled` when
    somebody wanted that, `cancelled_by`, before it had ended. `note` says why it ended before its time.
    """

    id: str
    action: str
    params: Params
    state: JobState
    nodes: list[JobNode]
    caller: str
    created_at: float
    ended_at: float | None = None
    cancelled_by: str | None = None
    note: str | None = None


class JobGet(Message, frozen=True, kw_only=True):
    """`jobs.get`."""

    id: str


class JobWait(Message, frozen=True, kw_only=True):
    """`jobs.wait`: the job when it has ended, or as it is after `wait_ms`."""

    id: str
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 5000


class JobCancel(Message, frozen=True, kw_only=True):
    """`jobs.cancel`: what has not begun never will, what runs is told to stop. `Conflict` when it has ended."""

    id: str


class JobFollow(Message, frozen=True, kw_only=True):
    """`jobs.follow`: the job at each change, in parts, until it has ended or `wait_ms` is over; then as it stands."""

    id: str
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 30_000


class JobList(Message, frozen=True, kw_only=True):
    """`jobs.list`, newest first: of those in this `state`, of this `action`, of this `caller`, begun since `since`."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    state: JobState | None = None
    action: str | None = None
    caller: str | None = None
    since: float | None = None


class JobListed(Message, frozen=True, kw_only=True):
    jobs: list[Job]
