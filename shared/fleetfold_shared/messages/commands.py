"""Durable commands to nodes, their results, and the jobs a caller sees."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import CallerId
from fleetfold_shared.messages.base import Message

__all__ = [
    "Command", "CommandResult", "Job", "JobGet", "JobList", "JobListed", "JobNode", "JobState", "JobWait", "Outcome",
    "Params", "Run",
]  # fmt: skip

Outcome = Literal["ok", "failed", "rejected", "unreachable", "timed_out", "unknown"]
JobState = Literal["running", "ok", "failed", "partly"]
Params = dict[str, Any]


class Command(Message, frozen=True, kw_only=True):
    """`cmd.<node>`: run an action, or compensate a command that may have run.

    `id` is stable over re-sends; `attempt` counts the deliberate ones, and the message id is `<id>#<attempt>`.
    `epoch` fences a master that lost a transaction. A compensation names the forward command in `compensates`;
    its params may hold `{{field}}` of that command's stored result, which the node fills itself. `start_within_s`
    counts from when the broker stored the message: a command found older is not started.
    """

    id: str
    attempt: int
    action: str
    params: Params = {}
    epoch: int = 0
    compensates: str | None = None
    timeout_s: float | None = None
    start_within_s: float | None = None
    trace: dict[str, str] = {}


class CommandResult(Message, frozen=True, kw_only=True):
    """`res.<node>`: how a command ended. `starts` counts how often its handler was begun, over all crashes.

    A compensation whose forward command never ran is `ok` with `tombstone`, and that command never will. `epochs` are
    those of the node's collections when it said this, by name, counted by this `incarnation` of it.
    """

    id: str
    attempt: int
    epoch: int
    outcome: Outcome
    result: Any = None
    error: str | None = None
    starts: int = 0
    ms: float = 0.0
    tombstone: bool = False
    incarnation: str = ""
    epochs: dict[str, int] = {}


class Run(Message, frozen=True, kw_only=True):
    """`actions.run`: on `nodes`, or on all active ones with `all`. `id` is chosen by the caller: the same id is the
    same job, however often it is sent. Answered when the job has ended or after `wait_ms`, whichever comes first.
    """

    id: CallerId
    action: str
    params: Params = {}
    nodes: list[str] = []
    all: bool = False
    sequential: bool = False
    timeout_s: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0


class JobNode(msgspec.Struct, frozen=True, omit_defaults=True):
    """One node's part of a job; `outcome` is absent while it runs."""

    node: str
    outcome: Outcome | None = None
    result: Any = None
    error: str | None = None
    ms: float | None = None


class Job(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A run of an action. `ok` when every node was, `failed` when none was, `partly` otherwise."""

    id: str
    action: str
    params: Params
    state: JobState
    nodes: list[JobNode]
    caller: str
    created_at: float
    ended_at: float | None = None


class JobGet(Message, frozen=True, kw_only=True):
    """`jobs.get`."""

    id: str


class JobWait(Message, frozen=True, kw_only=True):
    """`jobs.wait`: the job when it has ended, or as it is after `wait_ms`."""

    id: str
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 5000


class JobList(Message, frozen=True, kw_only=True):
    """`jobs.list`, newest first."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50


class JobListed(Message, frozen=True, kw_only=True):
    jobs: list[Job]
