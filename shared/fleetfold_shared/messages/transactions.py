"""Messages for transactions (sagas) over nodes: their steps, states and operations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.ids import CallerId, Identifier
from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.command_control import Callback
from fleetfold_shared.messages.commands import Params
from fleetfold_shared.messages.search_criteria import Filter

__all__ = [
    "Rollback", "StepSpec", "StepState", "StepView", "TimelineEntry", "Transact", "TransactionCancel",
    "TransactionFollow", "TransactionGet", "TransactionList", "TransactionListed", "TransactionNews",
    "TransactionResolve", "TransactionRetry", "TransactionSkip", "TransactionState", "TransactionView",
    "TransactionWait",
]  # fmt: skip

TransactionState = Literal["checked", "running", "compensating", "committed", "rolled_back", "parked"]
StepState = Literal[
    "waiting", "running", "done", "failed", "unknown", "no_result", "compensating", "compensated", "parked", "skipped"
]
"""`no_result`: it took effect, and will be compensated, because its result could not be sent. A step at or behind the
point of no return is `done` instead.
"""


class Rollback(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Compensation of a step, on the same node. `{{field}}` in the params is a field of the step's own result."""

    action: str
    params: Params = {}


class StepSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """One step of a transaction.

    Steps of the same stage run in parallel; a stage starts when the previous one has succeeded. Or a step starts when
    those in its `depends_on` have succeeded: a transaction has stages or dependencies, not both.

    `{{steps.NAME.field}}` in the params is a field of the result of an earlier step. `retries` are attempts after the
    first; a `retriable` step is tried until it succeeds, or an operator is needed. `pivot` is the point of no return: a
    step without a rollback, after which the transaction only goes forward. A step is skipped when its `when` does not
    hold: a filter over the fields `steps.NAME.field` of earlier results.
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
    depends_on: list[str] | None = None
    when: Filter | None = None
    retriable: bool = False


class Transact(Message, frozen=True, kw_only=True):
    """`transactions.run`: run a transaction. `id` is chosen by the caller: the same id is the same transaction, however
    often it is sent. A step without a `stage` is a stage of its own, after those before it. The reply comes when it has
    ended or after `wait_ms`.

    A transaction that has not ended after `timeout_s` is rolled back, unless it has passed its point of no return. With
    `dry_run` everything is checked and nothing started: the reply is `checked`. `callback` is notified when it is
    committed, rolled back or parked.

    Instead of `steps`, `definition` names a stored one: `order` for its newest version, or `order@2`. `inputs` are the
    values of `{{inputs.NAME}}`, in either.
    """

    id: CallerId
    steps: Annotated[list[StepSpec], Meta(min_length=1, max_length=100)] = []
    name: Annotated[str, Meta(max_length=200)] = ""
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 0
    timeout_s: Annotated[float, Meta(gt=0, le=30 * 86_400)] | None = None
    dry_run: bool = False
    callback: Callback | None = None
    definition: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}(@[1-9][0-9]{0,8})?$(?!\n)")] | None = None
    inputs: Params = {}


class StepView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Present state of a step. `would_run`: this is a dry run, and nothing was sent."""

    name: str
    node: str
    action: str
    stage: int
    state: StepState
    attempts: int = 0
    result: Any = None
    error: str | None = None
    would_run: bool = False


class TimelineEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of a transaction and its reason; `at` is Unix seconds by the master's clock."""

    at: float
    what: str
    step: str | None = None
    why: str = ""


class TransactionView(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Present state of a transaction. `definition` is the one it was made from, with its version."""

    id: str
    name: str
    state: TransactionState
    steps: list[StepView]
    timeline: list[TimelineEntry]
    caller: str
    created_at: float
    ended_at: float | None = None
    error: str | None = None
    definition: str | None = None


class TransactionGet(Message, frozen=True, kw_only=True):
    """`transactions.get`: return a transaction."""

    id: str


class TransactionWait(Message, frozen=True, kw_only=True):
    """`transactions.wait`: return the transaction when it has ended, or as it is after `wait_ms`."""

    id: str
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 5000


class TransactionFollow(Message, frozen=True, kw_only=True):
    """`transactions.follow`: stream additions to the timeline behind its first `after` entries, until the transaction
    has ended or is parked, or `wait_ms` is over; the reply is the transaction at that time.
    """

    id: str
    after: Annotated[int, Meta(ge=0)] = 0
    wait_ms: Annotated[int, Meta(ge=0, le=60_000)] = 30_000


class TransactionNews(Message, frozen=True, kw_only=True):
    """A part of the reply to `transactions.follow`: entries of the timeline in order. `seq` is the number of the last
    of them, from 1.
    """

    entries: list[TimelineEntry]
    seq: int
    state: TransactionState


class TransactionCancel(Message, frozen=True, kw_only=True):
    """`transactions.cancel`: cancel a transaction and compensate its steps. `Conflict` when it is too late for that."""

    id: str
    why: Annotated[str, Meta(max_length=500)] = ""


class TransactionRetry(Message, frozen=True, kw_only=True):
    """`transactions.retry`: retry the parked steps of a parked transaction, or one of them."""

    id: str
    step: str | None = None
    why: Annotated[str, Meta(max_length=500)] = ""


class TransactionSkip(Message, frozen=True, kw_only=True):
    """`transactions.skip`: leave a parked step as it is, and continue with the others."""

    id: str
    step: str
    why: Annotated[str, Meta(min_length=1, max_length=500)]


class TransactionResolve(Message, frozen=True, kw_only=True):
    """`transactions.resolve`: end a parked transaction by hand in this state, which an operator has established."""

    id: str
    state: Literal["committed", "rolled_back"]
    why: Annotated[str, Meta(min_length=1, max_length=500)]


class TransactionList(Message, frozen=True, kw_only=True):
    """`transactions.list`: list transactions, newest first, in this `state`, without their timelines."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    state: TransactionState | None = None


class TransactionListed(Message, frozen=True, kw_only=True):
    transactions: list[TransactionView]
