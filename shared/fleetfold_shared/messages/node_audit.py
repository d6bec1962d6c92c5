"""What a node itself has written down of the commands that it was given."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.commands import Outcome

__all__ = ["NodeAuditAsk", "NodeAuditEntry", "NodeAudited"]


class NodeAuditEntry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One command in a node's ledger. `caller` and `role` are as the command said, `at` and `ended_at` Unix seconds by
    the node's clock.

    `outcome` is absent while it has none. `compensates` is the command that it undoes, `cancelled_by` who wanted it
    stopped.
    """

    command: str
    action: str
    at: float
    caller: str = ""
    role: str = ""
    outcome: Outcome | None = None
    ended_at: float | None = None
    ms: float | None = None
    starts: int = 0
    compensates: str | None = None
    cancelled_by: str | None = None


class NodeAuditAsk(Message, frozen=True, kw_only=True):
    """`nodes.audit`, and `call.<node>.audit`: the latest `limit` commands in the node's own ledger, oldest first; with
    `since` only those that came after that Unix second.
    """

    node: str
    since: float | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50


class NodeAudited(Message, frozen=True, kw_only=True):
    """The node's own word; the master passes it on as it is."""

    node: str
    entries: list[NodeAuditEntry]
