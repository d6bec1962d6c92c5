"""Messages for the execution of commands: retry policy, progress, cancellation and callbacks."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message

__all__ = [
    "OVER_TIME", "Callback", "Caller", "CancelRequest", "CancelVerdict", "Cancelled", "Progress", "ProgressReport",
    "RetryPolicy",
]  # fmt: skip

OVER_TIME = "its job, whose time is over"
"""The name under which a job cancels its own commands when their time is over."""

CancelVerdict = Literal["stopping", "never", "ended"]
"""`stopping`: it runs, and was told to stop. `never`: it had not started, and never will. `ended`: it had ended."""


class Caller(msgspec.Struct, frozen=True, omit_defaults=True):
    """Requester of a command, as verified by the master: the identity's name and its role at that time."""

    name: str
    role: str = ""


class RetryPolicy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Retry policy of a command on its node; `attempts` counts the first one.

    The delay doubles from `backoff_s` up to `backoff_max_s`; a random share of it, at most `jitter`, is subtracted.
    `on` lists the errors that are retried: an exception's class, an error's code, or `timeout`; all errors when empty.
    A refusal by the action is never retried.
    """

    attempts: Annotated[int, Meta(ge=1, le=1000)] = 1
    backoff_s: Annotated[float, Meta(ge=0, le=86_400)] = 1.0
    backoff_max_s: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.5
    on: list[Annotated[str, Meta(min_length=1, max_length=128)]] = []


class Progress(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Progress of a command: `done` of `total`, in the action's own unit. `at` is Unix seconds by the node's clock;
    `attempt` is the number of the try, from 1.
    """

    done: float
    total: float | None = None
    note: Annotated[str, Meta(max_length=500)] = ""
    at: Annotated[float, Meta(ge=0, le=1e11)] = 0.0
    attempt: Annotated[int, Meta(ge=0, le=1_000_000)] = 1


class ProgressReport(Message, frozen=True, kw_only=True):
    """`prog.<node>`: progress of the node's command `id`; at most four a second for each. `incarnation` is that of the
    process that runs it.
    """

    id: str
    progress: Progress
    incarnation: str = ""


class CancelRequest(Message, frozen=True, kw_only=True):
    """`call.<node>.cancel`: stop these commands, on behalf of `by`; those not started never will be."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=1000)]
    by: str = ""


class Cancelled(Message, frozen=True, kw_only=True):
    """The node's verdict on each id to cancel."""

    verdicts: dict[str, CancelVerdict]


class Callback(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Notification at the end of a job or a transaction: an event `type` under the caller's own subject,
    `evt.<caller>.<type>`, or a webhook at `url`; one of the two.
    """

    type: Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){0,7}$(?!\n)")] | None = None
    url: Annotated[str, Meta(pattern=r"^https?://", max_length=2000)] | None = None
