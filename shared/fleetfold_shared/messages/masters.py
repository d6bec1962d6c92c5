"""Masters: which of them have a place in the database, which live, and how much each drives."""

from __future__ import annotations

from typing import Literal

import msgspec

from fleetfold_shared.messages.base import Message

__all__ = ["MasterInfo", "MasterList", "MasterListed", "MasterState"]

MasterState = Literal["answering", "alive", "silent", "left"]


class MasterInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A master that has a place. `id` is new at each start, `seat` is its data directory's and stays; `started_at` is
    by the clock of its own machine.

    `answering` is the one that says all this. Of the others, as that one sees them: `alive`; `silent`, for `silent_s`
    by its own watch; `left`, stopped in good order and not replaced yet. `jobs` and `transactions` are those that it
    drives now.
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


class MasterList(Message, frozen=True, kw_only=True):
    """`masters.list`."""


class MasterListed(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The longest there first."""

    masters: list[MasterInfo]
