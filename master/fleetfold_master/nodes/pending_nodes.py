"""Pending nodes: those that wait for approval. They are listed, but nothing is sent to them."""

from __future__ import annotations

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import NodeDescription

__all__ = ["Pending"]


class Pending:
    """The pending nodes by name, with their fingerprints. They are stored as join requests."""

    def __init__(self) -> None:
        self.nodes: dict[str, StoredNode] = {}
        self.fingerprints: dict[str, str] = {}

    def add(self, name: str, description: NodeDescription, asked_at: float, fingerprint: str = "") -> None:
        """Add a pending node."""
        self.fingerprints[name] = fingerprint
        self.nodes[name] = StoredNode(name=name, state="pending", description=description, registered_at=asked_at)

    def remove(self, name: str) -> None:
        """Remove a pending node."""
        self.nodes.pop(name, None)
        self.fingerprints.pop(name, None)

    def get(self, name: str) -> StoredNode:
        """The pending node. Raises `NotFound`."""
        if name not in self.nodes:
            known = ", ".join(sorted(self.nodes)) or "none"
            raise NotFound(f"node: no {name!r} waits to be approved; there wait: {known}", field="node")
        return self.nodes[name]
