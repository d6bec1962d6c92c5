"""The audit log as a caller may see it: entries in scope, as many as fit into one message."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.answer_budget import ROOM_BYTES
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import AuditEntry, AuditList

__all__ = ["check_audit", "view_audit"]


def check_audit(ask: AuditList, who: Principal) -> None:
    """Raise `Forbidden` for a node outside of the caller's scopes, or if a caller with scopes names none."""
    if ask.node is not None:
        who.need_node(ask.node)
    elif who.scopes.nodes:
        raise Forbidden(f"node: {who.name!r} has a scope of nodes; name the one to read about", field="node")


def view_audit(entries: list[AuditEntry], ask: AuditList, who: Principal) -> list[AuditEntry]:
    """The entries, each reduced to the nodes that the caller may see.

    If they exceed one message, followers get the oldest of them, all others the latest.
    """
    if who.scopes.nodes:
        entries = [replace(entry, node=",".join(who.narrow(entry.node.split(",")))) for entry in entries]
    if ask.after is not None:
        return _fitting(entries)
    return _fitting(reversed(entries))[::-1]


def _fitting(entries: Iterable[AuditEntry]) -> list[AuditEntry]:
    """As many entries as fit; at least one, because a follower could never get past an entry that is left out."""
    left, fitting = ROOM_BYTES, list[AuditEntry]()
    for entry in entries:
        left -= len(msgspec.json.encode(entry))
        if left < 0 and fitting:
            break
        fitting.append(entry)
    return fitting
