"""All-or-nothing transactions over nodes, as a caller writes and sees them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import CallerId, Identifier
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.commands import Params

__all__ = [
    "Rollback", "StepSpec", "StepState", "StepView", "TimelineEntry", "Transact", "TransactionGet",
    "TransactionList", "TransactionListed", "TransactionState", "TransactionView", "TransactionWait",
]  # fmt: skip

TransactionState = Literal["running", "compensating", "committed", "rolled_back", "parked"]
StepState = Literal[
    "waiting", "running", "done", "failed", "unknown", "compensating", "compensated", "parked", "skipped"
]


class Rollback(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What undoes a step, on the same node. `{{field}}` in the params is a field of the step's own result."""

    action: str
    params: Params = {}


class StepSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """One step. Steps of the same stage run in parallel; a stage starts when the one before has succeeded.

    `{{steps.NAME.field}}` in the params is a field of the result of a step of an earlier stage. `retries` are
    tries after the first. `pivot` is the point of no return: a step without a rollback, after which there is only
    forward.
    """

    name: Identifier
    node: str
    action: str
    params: Params = {}
    rollback: Rollback | None = None
    stage: Annotated[int, Meta(ge=0, le=1000)] | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    retries: Annotated[int, Meta(ge=0, le=100)] = 0
    pivot: bool = False


class Transact(Message, frozen=True, kw_only=True):
    """`tx.run`. `id` is the caller's: the same id is the same transaction, however often it is sent. A step without
    a `stage` is a stage of its own, after those before it. Answered when it has ended or after `wait_ms`.
    """

    id: CallerId
    steps: Annotated[list[StepSpec], Meta(min_length=1, max_length=100)]
    name: Annotated[str, Meta(max_length=200)] = ""
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0


class StepView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step as it stands."""

    name: str
    node: str
    action: str
    stage: int
    state: StepState
    attempts: int = 0
    result: Any = None
    error: str | None = None


class TimelineEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened, and why; `at` is Unix seconds by the master's clock."""

    at: float
    what: str
    step: str | None = None
    why: str = ""


class TransactionView(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A transaction as it stands."""

    id: str
    name: str
    state: TransactionState
    steps: list[StepView]
    timeline: list[TimelineEntry]
    caller: str
    created_at: float
    ended_at: float | None = None
    error: str | None = None


class TransactionGet(Message, frozen=True, kw_only=True):
    """`tx.get`."""

    id: str


class TransactionWait(Message, frozen=True, kw_only=True):
    """`tx.wait`: the transaction when it has ended, or as it is after `wait_ms`."""

    id: str
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 5000


class TransactionList(Message, frozen=True, kw_only=True):
    """`tx.list`, newest first; the timeline is left out."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50


class TransactionListed(Message, frozen=True, kw_only=True):
    transactions: list[TransactionView]
