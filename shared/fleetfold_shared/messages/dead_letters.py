"""Dead letters: what nobody will do any more, why, and what had become of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message

__all__ = [
    "DeadLetter",
    "DeadLetterDrop",
    "DeadLetterDropped",
    "DeadLetterEvent",
    "DeadLetterGet",
    "DeadLetterList",
    "DeadLetterListed",
    "DeadLetterRetried",
    "DeadLetterRetry",
    "LetterReason",
]  # fmt: skip

LetterReason = Literal[
    "poison", "interrupted", "expired", "no_action", "rejected", "too_large", "node_removed", "malformed", "undelivered"
]
"""`poison`: its node died of it again and again. `interrupted`: its node died meanwhile, and it must not run twice.
`expired`: it was not begun in time. `no_action`, `rejected`: the node has no such action, or not with these parameters.
`too_large`: for the broker. `node_removed`: with it still queued or unanswered. `malformed`: the node could not read
it. `undelivered`: a callback or webhook that was given up."""


class DeadLetterEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that had happened to it; `at` is Unix seconds by the master's clock."""

    at: float
    what: str
    why: str = ""


class DeadLetter(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A command that nobody will do any more. `job`, or `tx` and `step`, is what it belonged to; `caller` had asked.

    `params` over 16 kB are `{"left_out_bytes": size}`, and `whole` is false. `retried_as` is the job that does it
    again.
    """

    id: str
    reason: LetterReason
    command: str
    node: str
    at: float
    action: str = ""
    params: Any = None
    whole: bool = True
    error: str = ""
    job: str | None = None
    tx: str | None = None
    step: str | None = None
    caller: str = ""
    history: list[DeadLetterEvent] = []
    retried_as: str | None = None
    retried_at: float | None = None
    retried_by: str | None = None


class DeadLetterList(Message, frozen=True, kw_only=True):
    """`letters.list`, newest first: those that match all that is given. `retried` shows those as well that were tried
    again. The page after the letter `before`, its `at` and its `id`.
    """

    node: str | None = None
    reason: LetterReason | None = None
    action: str | None = None
    job: str | None = None
    tx: str | None = None
    since: float | None = None
    retried: bool = False
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: tuple[float, str] | None = None


class DeadLetterListed(Message, frozen=True, kw_only=True, omit_defaults=False):
    """`total` is how many match, from there on."""

    letters: list[DeadLetter]
    total: int


class DeadLetterGet(Message, frozen=True, kw_only=True):
    """`letters.get`."""

    id: str


class DeadLetterRetry(Message, frozen=True, kw_only=True):
    """`letters.retry`: run it again on its node, as a new job of the caller's. `Conflict` when that has been done, or
    cannot be: a step of a transaction is tried again by `tx.retry`.
    """

    id: str


class DeadLetterRetried(Message, frozen=True, kw_only=True):
    """The job that does it again; of a callback, the job or the transaction that it tells of."""

    id: str
    job: str


class DeadLetterDrop(Message, frozen=True, kw_only=True):
    """`letters.drop`: forget it."""

    id: str


class DeadLetterDropped(Message, frozen=True, kw_only=True):
    id: str
