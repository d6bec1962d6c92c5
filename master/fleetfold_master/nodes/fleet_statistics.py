"""Statistics of the fleet, or of the part that a caller may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fleetfold_shared.messages import NodeRecord, NodeStats

__all__ = ["fleet_statistics"]


def fleet_statistics(nodes: Sequence[NodeRecord]) -> NodeStats:
    """Counts and sums over `nodes`; pending nodes are counted in `by_state` only.

    The mean latency is over nodes that have answered something.
    """
    members = [node for node in nodes if node.state != "pending"]
    times = [node.response_ms for node in members if node.response_ms is not None]
    return NodeStats(
        total=len(members),
        healthy=sum(node.healthy for node in members),
        by_state=dict(Counter(node.state for node in nodes)),
        by_type=dict(Counter(node.description.type for node in members)),
        documents=sum(collection.documents for node in members for collection in node.description.collections),
        mean_response_ms=sum(times) / len(times) if times else None,
    )
