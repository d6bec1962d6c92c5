"""Messages about the cluster's masters: which are registered, which are alive, how much each runs, and
which of them has a request."""

from __future__ import annotations

from typing import Literal

import msgspec

from fleetfold_shared.messages.base import Message

__all__ = ["Locate", "Located", "MasterInfo", "MasterList", "MasterListed", "MasterState"]

MasterState = Literal["answering", "alive", "silent", "left"]


class MasterInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A registered master. `id` is new at each start, `instance_id` belongs to its data directory and stays (`seat`:
    the same, for clients of earlier versions); `started_at` is by its own machine's clock.

    `answering` is the one that sent this. The others, as it sees them: `alive`; `silent`, for `silent_s` by its own
    clock; `left`, stopped in good order and not yet replaced. `jobs` and `transactions` are those it runs now.

    The answering one alone says how its surroundings are: `disk`, that the volume of its data is low or full, or empty;
    `broker`, `ok` or why a server of the broker does not store, with `broker_since`; `database`, `ok` or its damage.
    Without identities the broker cannot be asked.
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


class MasterList(Message, frozen=True, kw_only=True):
    """`masters.list`: list the registered masters."""


class MasterListed(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Masters, oldest first."""

    masters: list[MasterInfo]


class Locate(Message, frozen=True, kw_only=True):
    """`api.<caller>.locate`: every master says whether it has this request, named by the subject that its reply goes
    to. Empty asks only who is there.
    """

    request: str = ""


class Located(Message, frozen=True, kw_only=True):
    """A live master's reply to `locate`. `holds`: it has accepted the request, and works on it."""

    master: str
    holds: bool = False
