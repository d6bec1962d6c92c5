"""The directory of nodes: what this master knows of each, in memory, for everybody who only reads."""

from __future__ import annotations

from fleetfold_master.nodes.clock_watch import ClockWatch
from fleetfold_master.nodes.effective_state import NodeStanding, acts, standing
from fleetfold_master.nodes.known_ledgers import KnownLedgers
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.nodes.node_view import record_of
from fleetfold_master.nodes.pending_nodes import Pending
from fleetfold_master.nodes.presence import Presence
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import NodeRecord

__all__ = ["NodeDirectory"]


class NodeDirectory:
    """All nodes by name. `pending` are those that wait for approval, which are stored as join requests."""

    def __init__(self, presence: Presence, clocks: ClockWatch, version: str) -> None:
        self._presence, self._clocks, self._version = presence, clocks, version
        self._nodes: dict[str, StoredNode] = {}
        self.pending = Pending()
        self._in_flight: dict[str, int] = {}
        self._ledgers = KnownLedgers()

    def collections(self, name: str) -> list[str]:
        """The names of the node's declared collections; empty for an unknown node."""
        node = self._nodes.get(name)
        return [] if node is None else [one.name for one in node.description.collections]

    def get(self, name: str, *, pending: bool = False) -> StoredNode:
        """A node of the fleet, or with `pending` one that waits for approval. Raises `NotFound`, listing the known
        names."""
        if pending and name in self.pending.nodes:
            return self.pending.nodes[name]
        node = self._nodes.get(name)
        if node is None or node.state == "removed":
            known = ", ".join(node.name for node in self.all()) or "none yet"
            raise NotFound(f"node: there is no {name!r} in the fleet; there are: {known}", field="node")
        return node

    def find(self, name: str) -> NodeRecord | None:
        """The record of a name, removed or not; None if it was never registered."""
        node = self._nodes.get(name)
        return None if node is None else self.record(node)

    def all(self, *, removed: bool = False, pending: bool = False) -> list[StoredNode]:
        """The nodes by name; removed and pending ones only if requested."""
        shown = {**self._nodes, **self.pending.nodes} if pending else self._nodes
        nodes = (shown[name] for name in sorted(shown))
        return [node for node in nodes if removed or node.state != "removed"]

    def incarnation(self, name: str) -> str | None:
        """The incarnation that has joined under the name; None if none has, or the node is removed."""
        node = self._nodes.get(name)
        return None if node is None or node.state == "removed" else node.description.incarnation

    def healthy(self, name: str) -> bool:
        """Whether the node is active and was heard from lately."""
        node = self._nodes.get(name)
        return node is not None and node.state == "active" and self._presence.is_up(name)

    def is_up(self, name: str) -> bool:
        """Whether the node is up, in any state."""
        return self._presence.is_up(name)

    def acts(self, name: str) -> bool:
        """Whether the node is up and may be sent commands."""
        node = self._nodes.get(name)
        return node is not None and self._presence.is_up(name) and acts(node, [one.part for one in node.problems])

    def standing(self, name: str) -> NodeStanding:
        """The node's state, its reason, and since when."""
        return standing(self.get(name), self._version)

    def record(self, node: StoredNode) -> NodeRecord:
        """The node as callers see it."""
        in_flight = self._in_flight.get(node.name, 0)
        off_s = self._clocks.off_s(node.name)
        return record_of(node, self._version, self._presence, in_flight, self.pending.fingerprints, off_s)

    def refuses_ledger(self, name: str) -> str:
        """Why the node may run nothing: its ledger is not the known one. Empty if it is, or the node is unknown."""
        node = self._nodes.get(name)
        return "" if node is None else self._ledgers.refuses(node)
