"""Nodes that wait to be approved: they are shown, and in nobody's reach."""

from __future__ import annotations

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import NodeDescription

__all__ = ["Pending"]


class Pending:
    """The pending nodes by name, with the fingerprints they show. Their rows are the petitions'."""

    def __init__(self) -> None:
        self.nodes: dict[str, StoredNode] = {}
        self.fingerprints: dict[str, str] = {}

    def add(self, name: str, description: NodeDescription, asked_at: float, fingerprint: str) -> None:
        """Show `name`."""
        self.fingerprints[name] = fingerprint
        self.nodes[name] = StoredNode(name=name, state="pending", description=description, registered_at=asked_at)

    def remove(self, name: str) -> None:
        """No longer show `name`."""
        self.nodes.pop(name, None)
        self.fingerprints.pop(name, None)

    def get(self, name: str) -> StoredNode:
        """The node; `NotFound` if it does not wait."""
        if name not in self.nodes:
            known = ", ".join(sorted(self.nodes)) or "none"
            raise NotFound(f"node: no {name!r} waits to be approved; there wait: {known}", field="node")
        return self.nodes[name]
