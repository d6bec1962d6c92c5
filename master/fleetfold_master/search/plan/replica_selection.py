"""Replica selection: health and latency of each holder, and which replica's statistics are counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fleetfold_master.nodes import Registry, RequestHealth
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.plan.replica_assignment import ReplicaAssignment, assign_replicas, groups_of
from fleetfold_master.search.plan.replica_balancing import BalancingStrategy, ReplicaPerformance, WeightedRendezvous
from fleetfold_master.search.plan.target_nodes import Key, TargetNodes
from fleetfold_master.search.term_statistics import TermStatistics

__all__ = ["ReplicaSelector"]


class ReplicaSelector:
    """Assigns replicas by registry, heartbeats and breakers. Without replicas, all nodes are assigned."""

    def __init__(
        self, registry: Registry, statistics: TermStatistics, health: RequestHealth,
        balancing: BalancingStrategy | None = None,
    ) -> None:  # fmt: skip
        self._registry, self._statistics, self._health = registry, statistics, health
        self._balancing = balancing or WeightedRendezvous()

    def assign(
        self, targets: TargetNodes, nodes: Iterable[StoredNode], query: str, pins: Collection[str]
    ) -> ReplicaAssignment:
        """Which of `nodes` is asked for what is replicated."""
        known = {node.name: node for node in nodes}
        groups = groups_of(known.values(), targets.keys)
        standings = {node: self._standing(known[node]) for node in {node for node, _ in groups}}
        return assign_replicas(targets, groups, lambda keys: self._balancing.order(query, keys, standings), pins)

    def counted(self, replicas: ReplicaAssignment) -> list[Key]:
        """The collections whose statistics count, one per group: preferably those known to be current, then those of
        nodes that are up, then the last changed."""
        return replicas.counted(self._goodness)

    def _goodness(self, key: Key) -> tuple[float, ...]:
        node, name = key
        record = self._registry.find(node)
        infos = record.description.collections if record else ()
        changed = next((one.updated_at for one in infos if one.name == name), None)
        return self._statistics.is_fresh(key), self._registry.is_up(node), changed or 0.0

    def _standing(self, node: StoredNode) -> ReplicaPerformance:
        record = self._registry.record(node)
        said = record.description
        is_open = self._health.breakers.is_open(node.name)
        return ReplicaPerformance(record.response_ms, record.in_flight, said.concurrency, said.weight, is_open)
