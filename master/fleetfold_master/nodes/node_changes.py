"""Changes of a node by an operator, as fields of its row."""

from __future__ import annotations

from typing import Any

from fleetfold_master.nodes.labels import relabelled
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared.compatibility import incompatibility
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.messages import NodeDescription, NodeUpdate

__all__ = ["changed_fields", "refuse_incompatible"]


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
