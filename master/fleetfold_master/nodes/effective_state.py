"""A node's state: the assigned one, unless its version or its own checks override it. Pure.

removed > inactive, maintenance (assigned) > incompatible (version) > error (problems) > active
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared.compatibility import incompatibility
from fleetfold_shared.messages import NodePart, NodeRecord, NodeState, Problem

__all__ = ["NodeStanding", "action_names", "acts", "judged", "read_again", "standing", "why_not"]

TROUBLED: frozenset[NodeState] = frozenset({"incompatible", "error"})


class NodeStanding(NamedTuple):
    """A state, its reason, and since when (Unix seconds)."""

    state: NodeState
    reason: str
    since: float | None


class _Stated(Protocol):
    @property
    def state(self) -> NodeState: ...


def standing(node: StoredNode, version: str) -> NodeStanding:
    """The node's state with masters of that version."""
    if node.state in {"removed", "pending"}:
        return NodeStanding(node.state, "", node.removed_at or node.registered_at)
    if node.assigned != "active":
        by = f"set by {node.assigned_by}" if node.assigned_by else "set by an operator"
        return NodeStanding(node.assigned, by, node.assigned_at)
    if why := incompatibility(node.description.version, version):
        return NodeStanding("incompatible", why, node.trouble_at)
    if node.problems:
        return NodeStanding("error", "; ".join(one.reason for one in node.problems), node.trouble_at)
    return NodeStanding("active", "", max(node.registered_at, node.assigned_at or 0.0, node.trouble_at or 0.0))


def judged(node: StoredNode, version: str, now: float, problems: Sequence[Problem] | None = None) -> StoredNode:
    """The node with its state computed again, and with `problems`, if given, as of `now`."""
    if problems is not None:
        node = replace(node, problems=list(problems))
    state = standing(node, version).state
    changed = state != node.state and not TROUBLED.isdisjoint({state, node.state})
    return replace(node, state=state, trouble_at=now if changed else node.trouble_at)


def read_again(row: StoredNode, version: str, now: float) -> StoredNode:
    """A row with its state computed again, because heartbeats do not write the state."""
    state = standing(row, version).state
    began = state in TROUBLED and (row.trouble_at is None or (state == "incompatible" != row.state))
    return replace(row, state=state, trouble_at=now if began else row.trouble_at)


def why_not(node: NodeRecord) -> str:
    """Why a node may not be sent commands, and what to do about it."""
    if node.state == "incompatible":
        return f"{node.name!r} is incompatible: {node.reason}"
    if node.state == "error":
        return f"{node.name!r} is in the state error: {node.reason}; it comes back by itself once that is mended"
    return f"{node.name!r} is {node.state}; set it active first (`fleetfold nodes update {node.name} --state active`)"


def acts(node: _Stated, failing: Sequence[NodePart]) -> bool:
    """Whether the node may be sent commands. They need its ledger; without its index they run, `sync` among them."""
    return node.state == "active" or (node.state == "error" and "ledger" not in failing)


def action_names(node: NodeRecord) -> str:
    """The node's actions, for the refusal of one that it does not have; or why there are none."""
    withheld = node.description.withheld.get("actions", 0)
    none = f"none; {withheld} were not granted to it (`fleetfold nodes show {node.name}`)" if withheld else "none"
    return ", ".join(sorted(action.name for action in node.description.actions)) or none
