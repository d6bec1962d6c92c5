"""Options of the transaction engine: its retry policy, the writes that join its commits, its owner and its events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from fleetfold_master.events import Publish, publish_to_nobody
from fleetfold_master.jobs.command_dispatch import AtEnd, nothing_more
from fleetfold_master.nodes import Refuses, refuse_none
from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.transactions.model import Policy, Step, Tx

__all__ = ["Audited", "Release", "TransactionOptions"]

Audited = Callable[[Tx, Sequence[Step], float], Sequence[Write]]
"""Returns the audit entries of a transaction's end, given its steps and the time."""


Release = Callable[[str], Awaitable[None]]
"""Resumes a transaction of this master that is held back, or raises `Unavailable` if it must stay so."""


async def hold_nothing(_key: str) -> None:
    """Default of `Release`: nothing is held back."""


def ignore(_node: str) -> None:
    """Default of `on_unknown`: do nothing."""


def _not_audited(_tx: Tx, _steps: Sequence[Step], _now: float) -> Sequence[Write]:
    """Default of `Audited`: no entries."""
    return ()


@dataclass(frozen=True, slots=True)
class TransactionOptions:
    """Options of `Transactions`. `at_end` is called with each `Tx` when it is committed, rolled back or parked, and
    returns further writes of the same commit. `owner` is the master's id where there may be several. `refuses` tells
    results of a node's replaced process. `release` is awaited with each id that is asked for and not in memory.
    `on_unknown` is called with a node that answers a command which was never sent.
    """

    policy: Policy = field(default_factory=Policy)
    at_end: AtEnd = nothing_more
    audited: Audited = _not_audited
    owner: str | None = None
    publish: Publish = publish_to_nobody
    refuses: Refuses = refuse_none
    release: Release = hold_nothing
    on_unknown: Callable[[str], None] = ignore
