"""Replica selection: health and latency of each holder, and which replica's statistics are counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.plan.query_plan import QueryPlan
from fleetfold_master.search.plan.replica_assignment import (
    Key,
    ReplicaAssignment,
    ReplicaStanding,
    groups_of,
    holding_of,
)
from fleetfold_master.search.scatter.scatter import Scatter
from fleetfold_master.search.term_statistics import TermStatistics

__all__ = ["ReplicaSelector"]

LEAST_PATIENCE_S, UNKNOWN_PATIENCE_S = 0.03, 0.1
"""Minimum wait in seconds before another holder is asked, and the wait while a holder's latency is unknown."""


class ReplicaSelector:
    """Assigns replicas by registry, heartbeats and breakers. Without replicas, all nodes are assigned."""

    def __init__(self, registry: Registry, corpora: TermStatistics, presence: Presence, scatter: Scatter) -> None:
        self._registry, self._corpora, self._presence, self._scatter = registry, corpora, presence, scatter

    def holding(
        self, plan: QueryPlan, nodes: Iterable[StoredNode], query: str, pins: Collection[str]
    ) -> ReplicaAssignment:
        """Which of `nodes` is asked for what is replicated."""
        known = {node.name: node for node in nodes}
        groups = groups_of(known.values(), plan.keys)
        standings = {node: self._standing(known[node]) for node in {node for node, _ in groups}}
        return holding_of(plan, groups, standings, query, pins)

    def counted(self, holding: ReplicaAssignment) -> list[Key]:
        """The collections whose statistics count, one per group: preferably those known to be current, then those of
        nodes that are up, then the last changed."""
        return holding.counted(self._goodness)

    def patience_s(self, node: str) -> float:
        """Seconds to wait for a holder before another one is asked as well: the 95th percentile of its latency (Dean
        and Barroso, "The Tail at Scale", 2013: hedged requests)."""
        pace = self._scatter.pace(node)
        return max(LEAST_PATIENCE_S, pace.p95) if pace.known else UNKNOWN_PATIENCE_S

    def _goodness(self, key: Key) -> tuple[float, ...]:
        node, name = key
        record = self._registry.find(node)
        infos = record.description.collections if record else ()
        changed = next((one.updated_at for one in infos if one.name == name), None)
        return self._corpora.is_fresh(key), self._presence.is_up(node), changed or 0.0

    def _standing(self, node: StoredNode) -> ReplicaStanding:
        record = self._registry.record(node)
        said = record.description
        is_open = self._scatter.breakers.is_open(node.name)
        return ReplicaStanding(record.response_ms, record.in_flight, said.concurrency, said.weight, is_open)
