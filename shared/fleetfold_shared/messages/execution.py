"""Long work: how often it is tried, how far it has come, how it is stopped, and who is told of its end."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message

__all__ = ["Callback", "Caller", "CancelAsk", "CancelVerdict", "Cancelled", "Progress", "ProgressReport", "RetryPolicy"]

CancelVerdict = Literal["stopping", "never", "ended"]
"""`stopping`: it runs, and was told to stop. `never`: it had not begun, and never will. `ended`: it was over."""


class Caller(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who asked for a command, by the master's word: an identity's name and its role then."""

    name: str
    role: str = ""


class RetryPolicy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """How often one command is tried on its node; `attempts` counts the first.

    The wait doubles from `backoff_s` up to `backoff_max_s`; a random share of it, `jitter` at most, is left out. `on`
    names the errors that are worth another try: an exception's class, an error's code, or `timeout`; all of them when
    it is empty. What an action has refused is never tried again.
    """

    attempts: Annotated[int, Meta(ge=1, le=1000)] = 1
    backoff_s: Annotated[float, Meta(ge=0, le=86_400)] = 1.0
    backoff_max_s: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.5
    on: list[Annotated[str, Meta(min_length=1, max_length=128)]] = []


class Progress(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far a command has come: `done` of `total`, in the action's own unit. `at` is Unix seconds by the node's
    clock; `attempt` is which try of the retry policy it is, from 1.
    """

    done: float
    total: float | None = None
    note: Annotated[str, Meta(max_length=500)] = ""
    at: Annotated[float, Meta(ge=0, le=1e11)] = 0.0
    attempt: Annotated[int, Meta(ge=0, le=1_000_000)] = 1


class ProgressReport(Message, frozen=True, kw_only=True):
    """`prog.<node>`: how far the node's command `id` has come; at most four a second of each."""

    id: str
    progress: Progress


class CancelAsk(Message, frozen=True, kw_only=True):
    """`call.<node>.cancel`: stop these commands, for `by`; those not begun never will be."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=1000)]
    by: str = ""


class Cancelled(Message, frozen=True, kw_only=True):
    """What the node says of each id it was asked to cancel."""

    verdicts: dict[str, CancelVerdict]


class Callback(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Who is told when it has ended: a `type` of event under the caller's own subject, `evt.<caller>.<type>`, or a
    webhook at `url`; one of them.
    """

    type: Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){0,7}$(?!\n)")] | None = None
    url: Annotated[str, Meta(pattern=r"^https?://", max_length=2000)] | None = None
