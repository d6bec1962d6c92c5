"""Many runs at once: given in one request, and waited for in one request."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fleetfold_shared.errors import ErrorBody
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.commands import JobNode, JobState, Run

__all__ = ["MOST_RUNS", "JobEnd", "JobEnds", "JobEndsAsk", "RunAccepted", "Submit", "Submitted"]

MOST_RUNS = 500
"""How many runs one request may carry."""


class Submit(Message, frozen=True, kw_only=True):
    """`actions.submit`: runs, each as if by `actions.run` and a job of its own, so that a request that is sent again
    does nothing twice. `wait_ms` of theirs is not heeded: it is answered as soon as all are stored.
    """

    runs: Annotated[list[Run], Meta(min_length=1, max_length=MOST_RUNS)]


class RunAccepted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of the run `id`: the state of its job, which has so many `nodes`, or the `error` that it would have
    been answered with.
    """

    id: str
    state: JobState | None = None
    nodes: int = 0
    error: ErrorBody | None = None


class Submitted(Message, frozen=True, kw_only=True):
    """One for each run, in their order."""

    runs: list[RunAccepted]


class JobEndsAsk(Message, frozen=True, kw_only=True):
    """`jobs.ended`: which of these have ended. Answered as soon as one of them has, or after `wait_ms`."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=1000)]
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 5000


class JobEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job that has ended."""

    id: str
    state: JobState
    nodes: list[JobNode]
    note: str | None = None


class JobEnds(Message, frozen=True, kw_only=True):
    """Those that have ended, as many as find room in one answer; and those that are `unknown`, or not for the caller
    to see.
    """

    ended: list[JobEnd]
    unknown: list[str] = []
