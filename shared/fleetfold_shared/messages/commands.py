"""Messages for durable commands to nodes, their results, and jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import CallerId
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.command_control import Callback, Caller, Progress, RetryPolicy
from fleetfold_shared.messages.ledgers import LedgerMark, MasterMark
from fleetfold_shared.messages.nodes import ActionKind

__all__ = [
    "Command", "CommandResult", "CommandResults", "ForwardOutcome", "Job", "JobCancel", "JobFollow", "JobGet",
    "JobList", "JobListed", "JobNode", "JobState", "JobWait", "Outcome", "Params", "Run", "Share",
]  # fmt: skip

Outcome = Literal["ok", "failed", "rejected", "unreachable", "timed_out", "unknown", "no_result"]
"""`failed` and `rejected`: the action had no effect. `timed_out` and `unknown`: it may have had one. `no_result`: the
action took effect, but its result could not be sent.
"""
JobState = Literal["checked", "running", "ok", "failed", "partly", "cancelled"]
Params = dict[str, Any]
Share = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,5}|(100|[1-9]?[0-9])%)$(?!\n)")]
"""A number, or a percentage, rounded up: `3` or `25%`."""


class ForwardOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the masters know of a command that took effect and is compensated now: a node whose ledger denies it has
    lost its ledger, or has an old copy.

    `result` holds the fields that the compensation's params refer to; it is left out when it is too large or unknown.
    """

    action: str
    kind: ActionKind
    outcome: Literal["ok", "no_result"]
    result: Any = None


class Command(Message, frozen=True, kw_only=True):
    """`cmd.<node>`: run an action, or compensate a command that may have run.

    `id` is stable over re-sends; `attempt` counts deliberate attempts, and the message id is `<id>#<attempt>`. `epoch`
    fences a master that lost a transaction. A compensation names the forward command in `compensates`; its params may
    contain `{{field}}` of that command's stored result, which the node fills in. `start_within_s` counts from the
    storage of the message in the broker: an older command is not started. `timeout_s` limits one try, `overall_s` all
    of them since the storage, and `heartbeat_s` the time between two progress reports. `caller` requested it: the owner
    of a schedule that fired; for a compensation, the caller of the transaction. `forward`: what the masters know of the
    forward command, if it took effect. `mark` is that of the master that sends it.
    """

    id: str
    attempt: int
    action: str
    params: Params = {}
    epoch: int = 0
    compensates: str | None = None
    forward: ForwardOutcome | None = None
    timeout_s: float | None = None
    start_within_s: float | None = None
    heartbeat_s: float | None = None
    overall_s: float | None = None
    retry: RetryPolicy | None = None
    caller: Caller | None = None
    mark: MasterMark | None = None


class CommandResult(Message, frozen=True, kw_only=True):
    """Result of a command. `starts` counts the starts of its handler over all crashes, without tries that failed and
    left no effect.

    A compensation whose forward command never ran is `ok` with `tombstone`, and that command never will run. `epochs`
    are the versions of the node's collections at that time, by name, counted within this `incarnation`. `code` says why
    the command will never run, where that is so: `poison`, `interrupted`, `expired`, `no_action` or `bad_params`.
    `noted`: the action stored data for its compensation, so even a failed one may have had an effect.
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
    """`res.<node>`: results of one or more commands, and the mark of the ledger that has them."""

    results: list[CommandResult]
    ledger: LedgerMark | None = None


class Run(Message, frozen=True, kw_only=True):
    """`actions.run`: run an action on `nodes`; on all active nodes that have it (`all`, or `nodes="all"`); on those
    that match `where`; or on `any` one of the nodes so selected.

    `id` is chosen by the caller: the same id is the same job, however often it is sent. The reply comes when the job
    has ended or after `wait_ms`, whichever is first.

    `limit` selects so many of the nodes, at random by `seed`. `batch` runs on so many at a time, with `pause_s` between
    batches, and starts no further batch when more than `max_failures` nodes did not succeed; `sequential` is a batch of
    one. `dry_run` lists the selected nodes: the job is `checked`, and nothing starts. A destructive action needs
    `confirmed` to run on all nodes.

    A command that has not started within `start_within_s` is not started any more. One try may take `timeout_s`, with
    at most `heartbeat_s` between two progress reports; all tries together may take `overall_s`, by default `timeout_s`.
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
        """Turn `nodes="all"` into `all=True`, as in a search."""
        if self.nodes == "all":
            msgspec.structs.force_setattr(self, "nodes", [])
            msgspec.structs.force_setattr(self, "all", True)


class JobNode(msgspec.Struct, frozen=True, omit_defaults=True):
    """One node's part of a job; `outcome` is absent while it runs. `began`: the command was sent. `would_run`: a dry
    run selected the node, and nothing was sent.
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
    """A job: one run of an action on some nodes.

    `ok` when every node was, `failed` when none was, `partly` otherwise; `cancelled` when `cancelled_by` stopped it
    before its end. `note` explains an early end.
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
    """`jobs.get`: return a job."""

    id: str


class JobWait(Message, frozen=True, kw_only=True):
    """`jobs.wait`: return the job when it has ended, or as it is after `wait_ms`."""

    id: str
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 5000


class JobCancel(Message, frozen=True, kw_only=True):
    """`jobs.cancel`: cancel a job: commands that have not started never will, running ones are told to stop. `Conflict`
    when it has ended.
    """

    id: str


class JobFollow(Message, frozen=True, kw_only=True):
    """`jobs.follow`: stream the job at each change, until it has ended or `wait_ms` is over; the reply is the job at
    that time.
    """

    id: str
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 30_000


class JobList(Message, frozen=True, kw_only=True):
    """`jobs.list`: list jobs, newest first, with this `state`, `action` and `caller`, created after `since` (Unix
    seconds).
    """

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    state: JobState | None = None
    action: str | None = None
    caller: str | None = None
    since: float | None = None


class JobListed(Message, frozen=True, kw_only=True):
    jobs: list[Job]
