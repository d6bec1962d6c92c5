"""Messages about the cluster's masters: which are registered, which are alive, how much each runs, and
which of them has a request."""

from __future__ import annotations

from typing import Literal

import msgspec

from fleetfold_shared.messages.base import Message

__all__ = [
    "HeldTransaction", "Locate", "Located", "LostWork", "MasterInfo", "MasterList", "MasterListed", "MasterState",
    "MastersReconcile", "MastersReconciled",
]  # fmt: skip

MasterState = Literal["answering", "alive", "silent", "left"]


class MasterInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A registered master. `id` is new at each start, `instance_id` belongs to its data directory and stays (`seat`:
    the same, for clients of earlier versions); `started_at` is by its own machine's clock.

    `answering` is the one that sent this. The others, as it sees them: `alive`; `silent`, for `silent_s` by its own
    clock; `left`, stopped in good order and not yet replaced. `jobs` and `transactions` are those it runs now.

    The answering one alone says how its surroundings are: `disk`, that the volume of its data is low or full, or empty;
    `broker`, `ok` or why a server of the broker does not store, with `broker_since`; `database`, `ok` or its damage.
    Without identities the broker cannot be asked. `restored` says why its database is known to be an old copy, while
    the nodes are asked what has happened since, and `restored_since` when that became known.
    """

    id: str
    seat: str
    host: str
    pid: int
    started_at: float
    state: MasterState
    silent_s: float | None
    jobs: int
    transactions: int
    disk: str | None = None
    broker: str | None = None
    broker_since: float | None = None
    database: str | None = None
    instance_id: str = ""
    restored: str | None = None
    restored_since: float | None = None


class MasterList(Message, frozen=True, kw_only=True):
    """`masters.list`: list the registered masters."""


class MasterListed(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Masters, oldest first."""

    masters: list[MasterInfo]


class MastersReconcile(Message, frozen=True, kw_only=True):
    """`masters.reconcile`: ask the nodes what has happened since the masters' database was copied, after an old copy
    was put back. `accept` goes on without the nodes that do not answer, and forgets the list of what is lost.
    """

    accept: bool = False


class HeldTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that does not advance until these nodes were asked."""

    id: str
    nodes: list[str]


class LostWork(msgspec.Struct, frozen=True, kw_only=True):
    """A command that a node has, and that does not agree with the masters' database. `work` is its job or transaction;
    `outcome` is empty while it is unfinished. `reason` says what does not agree, and what to do.
    """

    node: str
    id: str
    action: str
    outcome: str
    work: str
    reason: str


class MastersReconciled(Message, frozen=True, kw_only=True, omit_defaults=False):
    """What is known after the nodes were asked. `reason` is empty when the database is not, or no more, known as an old
    copy, and `since` absent then.

    `asked` counts by node the commands since the copy; `unanswered` are the nodes that did not answer, and `held` the
    transactions that wait for them. `lost` is what callers must look at or send again, the newest first, without `more`
    of them. `parked` are transactions that were parked by this request.
    """

    reason: str
    since: float | None
    asked: dict[str, int]
    unanswered: list[str]
    held: list[HeldTransaction]
    lost: list[LostWork]
    more: int = 0
    parked: list[str] = []


class Locate(Message, frozen=True, kw_only=True):
    """`api.<caller>.locate`: every master says whether it has this request, named by the subject that its reply goes
    to. Empty asks only who is there.
    """

    request: str = ""


class Located(Message, frozen=True, kw_only=True):
    """A live master's reply to `locate`. `holds`: it has accepted the request, and works on it."""

    master: str
    holds: bool = False
