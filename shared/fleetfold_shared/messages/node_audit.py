"""Messages for a node's own audit: the commands in its ledger."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message
from fleetfold_shared.messages.commands import Outcome

__all__ = ["NodeAuditEntry", "NodeAuditRequest", "NodeAudited"]


class NodeAuditEntry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One command in a node's ledger. `caller` and `role` are from the command, `at` and `ended_at` Unix seconds by the
    node's clock.

    `outcome` is absent while it runs. `compensates` is the command that it compensates, `cancelled_by` the identity
    that stopped it.
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


class NodeAuditRequest(Message, frozen=True, kw_only=True):
    """`nodes.audit`, and `call.<node>.audit`: list the latest `limit` commands in the node's own ledger, oldest first;
    with `since` only those received after that Unix second.
    """

    node: str
    since: float | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50


class NodeAudited(Message, frozen=True, kw_only=True):
    """The node's own report, which the master passes on unchanged."""

    node: str
    entries: list[NodeAuditEntry]
