"""Changes of a node's row: by an operator, and when it joins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from fleetfold_master.nodes.labels import relabelled
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared.compatibility import incompatibility
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.messages import NodeDescription, NodeUpdate

__all__ = [
    "Probe", "changed_fields", "differing_fields", "joined_row", "refuse_if_taken", "refuse_incompatible",
]  # fmt: skip

Probe = Callable[[str], Awaitable[str | None]]
"""Asks for the incarnation that answers to a name on the bus; None if none does."""


def changed_fields(node: StoredNode, change: NodeUpdate, by: str, now: float, version: str) -> dict[str, Any]:
    """The changed fields and their new values.

    Raises `Conflict` for an incompatible node that is to be active, `InvalidInput` for a change without effect.
    """
    wanted: dict[str, Any] = {
        name: value for name in ("title", "weight") if (value := getattr(change, name)) is not None
    }
    if change.labels or change.unlabel or change.labels_from_node:
        wanted["labels"] = relabelled(node.description.labels, node.labels, change) or None
    if change.state == "active":
        refuse_incompatible(node.name, node.description, version)
    if change.state is not None:
        wanted |= {"assigned": change.state, "assigned_by": by, "assigned_at": now}
    if not wanted:
        raise InvalidInput(
            "state: give at least one of state, title, labels, unlabel, labels_from_node, weight", field="state"
        )
    return wanted


def refuse_incompatible(name: str, description: NodeDescription, version: str) -> None:
    """Raise `Conflict`, naming both versions, if the node cannot work with masters of `version`."""
    if why := incompatibility(description.version, version):
        raise Conflict(f"node: {name!r} is incompatible and cannot be made active: {why}", field="node")


def joined_row(
    known: StoredNode | None, name: str, description: NodeDescription, now: float, heartbeat_s: float
) -> StoredNode:
    """The row of a node that joins at `now`; what an operator has set in the `known` one stays."""
    if known is None:
        known = StoredNode(name=name, state="active", description=description, registered_at=now)
    if known.state == "removed":  # it is new, because an operator wants it so
        known = replace(known, state="active", ledger_generation="", ledger_height=0, ledger_incarnation="")
    return replace(
        known, description=description, last_seen_at=now, removed_at=None, stopped_at=None, heartbeat_s=heartbeat_s
    )


async def refuse_if_taken(name: str, description: NodeDescription, probe: Probe) -> None:
    """Raise `Conflict` if another incarnation answers under the name."""
    holder = await probe(name)
    if holder is not None and holder != description.incarnation:
        raise Conflict(
            f"name: a living node is called {name!r} already; stop it first, or choose another name", field="name"
        )


def differing_fields(before: StoredNode | None, node: StoredNode) -> list[str]:
    """The fields that differ, so that fields written by other masters are left alone."""
    names = node.__struct_fields__
    return [] if before is None else [name for name in names if getattr(before, name) != getattr(node, name)]
