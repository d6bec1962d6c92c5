"""Messages for many runs at once: submitted in one request, and awaited in one request."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fleetfold_shared.errors import ErrorBody
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.commands import JobNode, JobState, Run

__all__ = ["MOST_RUNS", "JobEnd", "JobEnds", "JobEndsRequest", "RunAccepted", "Submit", "Submitted"]

MOST_RUNS = 500
"""Most runs in one request."""


class Submit(Message, frozen=True, kw_only=True):
    """`actions.submit`: start runs, each as by `actions.run` and as a job of its own, so that a repeated request does
    nothing twice. Their `wait_ms` is ignored: the reply comes when all are stored.
    """

    runs: Annotated[list[Run], Meta(min_length=1, max_length=MOST_RUNS)]


class RunAccepted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Outcome of submitting the run `id`: the state of its job and its number of `nodes`, or the `error` that
    `actions.run` would have returned.
    """

    id: str
    state: JobState | None = None
    nodes: int = 0
    error: ErrorBody | None = None


class Submitted(Message, frozen=True, kw_only=True):
    """Outcomes of the runs, in order."""

    runs: list[RunAccepted]


class JobEndsRequest(Message, frozen=True, kw_only=True):
    """`jobs.ended`: report which of these jobs have ended; replies when one has, or after `wait_ms`."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=1000)]
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 5000


class JobEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job that has ended."""

    id: str
    state: JobState
    nodes: list[JobNode]
    note: str | None = None


class JobEnds(Message, frozen=True, kw_only=True):
    """Jobs that have ended, as many as fit into one reply; `unknown` ones do not exist or are not visible to the
    caller.
    """

    ended: list[JobEnd]
    unknown: list[str] = []
