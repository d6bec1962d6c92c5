"""Messages about the ledgers of nodes: how old each is, and which of its commands are settled for good."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message

__all__ = [
    "CommandsConfirm", "CommandsConfirmed", "DeniedCommand", "LedgerMark", "LedgerRequest", "LedgerVerdicts",
    "MasterMark", "NodeReconcile", "NodeReconciled", "RecalledCommand",
]  # fmt: skip

SomeCommands = Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(min_length=1, max_length=1000)]


class LedgerMark(msgspec.Struct, frozen=True):
    """Which ledger it is, and how far it has come. `generation` is made with the file; `height` counts the commands
    that were admitted and those that ended, and never decreases.
    """

    generation: Annotated[str, Meta(max_length=32)]
    height: Annotated[int, Meta(ge=0, le=2**62)]


class MasterMark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which master it was, and how far it had come: its id, new at each start, and the number of its heartbeats.

    Both are in the masters' database, so a mark that is not there, or is lower there, shows that the database is an old
    copy. `restoration` is the number of the last restoration of the database, 0 before the first: a node refuses
    commands of a lower one than it was told, because they are of what an old copy has undone. `seal` proves that a
    master has made the mark for this node and this `command`; empty for none in particular.
    """

    master: Annotated[str, Meta(max_length=32)]
    height: Annotated[int, Meta(ge=0, le=2**62)]
    command: Annotated[str, Meta(max_length=200)] = ""
    seal: Annotated[str, Meta(max_length=64)] = ""
    restoration: Annotated[int, Meta(ge=0, le=2**62)] = 0


class RecalledCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command in a node's ledger, and the master that had sent it. `outcome` is empty for an unfinished one."""

    id: Annotated[str, Meta(max_length=200)]
    action: Annotated[str, Meta(max_length=200)]
    mark: MasterMark
    outcome: Annotated[str, Meta(max_length=16)] = ""
    epoch: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    compensates: Annotated[str, Meta(max_length=200)] | None = None


class CommandsConfirm(Message, frozen=True, kw_only=True):
    """`commands.confirm`: a node asks which of its ended commands are settled, so that its ledger may forget them."""

    ids: SomeCommands


class CommandsConfirmed(Message, frozen=True, kw_only=True):
    """Reply to `commands.confirm`. `settled` are commands whose job or transaction has ended and that are never sent
    again; `unknown` those that the masters have no record of. The others are open.
    """

    settled: list[str]
    unknown: list[str] = []


class LedgerRequest(Message, frozen=True, kw_only=True):
    """`call.<node>.ledger`: ask what the node's ledger has of these commands; with `since` also which masters it has
    heard, and for the commands that these masters had sent it at these heights or later, by id, from the one behind
    `after`. `mark` is that of the master that asks.
    """

    ids: SomeCommands
    since: Annotated[list[MasterMark], Meta(max_length=1000)] | None = None
    after: Annotated[str, Meta(max_length=200)] = ""
    mark: MasterMark | None = None


class LedgerVerdicts(Message, frozen=True, kw_only=True):
    """Reply to `ledger`: the outcome of each command that the ledger has, empty for an unfinished one. What has ended
    is kept for `retention_s` seconds at least. `marks` are the highest of each master that the node has heard, absent
    where that was not asked; `commands` are those since the height that was asked for, and `more`: further ones follow.
    """

    mark: LedgerMark
    retention_s: Annotated[float, Meta(ge=0)]
    outcomes: dict[str, str] = {}
    marks: Annotated[list[MasterMark], Meta(max_length=1000)] | None = None
    commands: Annotated[list[RecalledCommand], Meta(max_length=1000)] = []
    more: bool = False


class NodeReconcile(Message, frozen=True, kw_only=True):
    """`nodes.reconcile`: compare what the masters know of a node's commands with its ledger. `accept` makes the ledger
    the known one, so that the node runs commands again.
    """

    node: str
    accept: bool = False


class DeniedCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command that took effect, as the masters know, and that the ledger has not as such. `work` is its job or
    transaction, in the state `state`. `look`: an operator must look at it; `remedy` says how.
    """

    id: str
    action: str
    outcome: str
    work: str
    state: str
    look: bool
    remedy: str


class NodeReconciled(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The difference between a node's ledger and what the masters know. `reason` is empty when it is the known ledger.

    `known` is the mark that the masters had before, `reported` the ledger's own; `compared` counts commands.
    `accepted`: the ledger is the known one now.
    """

    node: str
    reason: str
    known: LedgerMark | None
    reported: LedgerMark
    compared: int
    denied: list[DeniedCommand]
    accepted: bool
