"""Messages for dead letters: commands that will not be executed, with the reason and their history."""

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
    "DeadLetterReason",
    "DeadLetterRetried",
    "DeadLetterRetry",
]  # fmt: skip

DeadLetterReason = Literal[
    "poison", "interrupted", "expired", "no_action", "rejected", "too_large", "node_removed", "malformed", "undelivered"
]
"""`poison`: the node crashed repeatedly while running it. `interrupted`: the node crashed during it, and it must not
run twice. `expired`: it was not started in time. `no_action`, `rejected`: the node lacks the action, or refuses these
parameters. `too_large`: for the broker. `node_removed`: while it was queued or unanswered. `malformed`: the node could
not decode it. `undelivered`: a callback or webhook whose delivery was abandoned.
"""


class DeadLetterEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event in the history of a dead letter; `at` is Unix seconds by the master's clock."""

    at: float
    what: str
    why: str = ""


class DeadLetter(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A command that will not be executed. `job`, or `tx` and `step`, is what it belonged to; `caller` requested it.

    `params` over 16 kB are `{"left_out_bytes": size}`, and `whole` is false. `retried_as` is the job that retried it.
    """

    id: str
    reason: DeadLetterReason
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
    """`dead_letters.list`: list dead letters, newest first, that match all given fields; with `retried` also those
    that were retried. `before` is the `at` and `id` of the last dead letter of the previous page.
    """

    node: str | None = None
    reason: DeadLetterReason | None = None
    action: str | None = None
    job: str | None = None
    tx: str | None = None
    since: float | None = None
    retried: bool = False
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: tuple[float, str] | None = None


class DeadLetterListed(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A page of dead letters; `total` counts all that match, from this page on."""

    dead_letters: list[DeadLetter]
    total: int


class DeadLetterGet(Message, frozen=True, kw_only=True):
    """`dead_letters.get`: return a dead letter."""

    id: str


class DeadLetterRetry(Message, frozen=True, kw_only=True):
    """`dead_letters.retry`: run the command again on its node, as a new job of the caller. `Conflict` when that was
    done already, or for a step of a transaction, which `transactions.retry` retries.
    """

    id: str


class DeadLetterRetried(Message, frozen=True, kw_only=True):
    """The job that retries it; for a callback, the job or transaction that it reports."""

    id: str
    job: str


class DeadLetterDrop(Message, frozen=True, kw_only=True):
    """`dead_letters.drop`: delete a dead letter."""

    id: str


class DeadLetterDropped(Message, frozen=True, kw_only=True):
    id: str
