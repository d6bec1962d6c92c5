"""The planner: makes the plan of a search from what the master knows of its nodes at that moment."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fleetfold_master.nodes import Registry, RequestHealth
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.cache.cache_key import answer_key
from fleetfold_master.search.collection_versions import CollectionVersions
from fleetfold_master.search.own_collections import OwnNode
from fleetfold_master.search.paging import Pages
from fleetfold_master.search.plan.analyzed_query import analyze_search
from fleetfold_master.search.plan.replica_selection import ReplicaSelector
from fleetfold_master.search.plan.search_check import check_search
from fleetfold_master.search.plan.search_plan import (
    PlanStatistics,
    SearchDeadline,
    SearchPlan,
    WaitingPolicy,
    documents_of,
)
from fleetfold_master.search.plan.shard_request import shard_request
from fleetfold_master.search.plan.shard_selection import ShardSelection, select_shards, selection_members
from fleetfold_master.search.plan.target_nodes import Key, TargetNodes, searchable_nodes, target_nodes
from fleetfold_master.search.term_statistics import TermStatistics
from fleetfold_shared.ids import MASTER, new_id
from fleetfold_shared.messages import Search
from fleetfold_shared.text.embedding import DEFAULT_EMBEDDER

__all__ = ["Planner", "SearchableFleet"]


class SearchableFleet:
    """All that can be searched: the registered nodes, and the master's `own` collections as one of them."""

    def __init__(
        self, registry: Registry, own: OwnNode | None = None, versions: CollectionVersions | None = None
    ) -> None:
        self._registry, self._own = registry, own
        self.versions = versions or CollectionVersions()
        """The epochs that the nodes' collections have reported."""

    def nodes(self, search: Search) -> list[StoredNode]:
        """The nodes named, or all that may be chosen among. Raises `NotFound` for a node that is not in the fleet."""
        own = None if self._own is None else self._own.node()
        if own is not None:
            self.versions.described(MASTER, own.description)
        return searchable_nodes(search, self._registry, own)

    def up(self, nodes: Sequence[StoredNode]) -> set[str]:
        """The names of those that are up."""
        return {node.name for node in nodes if node.name == MASTER or self._registry.is_up(node.name)}


class Planner:
    """Plans searches. `max_parallel` limits the nodes that one search asks at a time; `caching`: answers are cached."""

    def __init__(
        self, fleet: SearchableFleet, statistics: TermStatistics, replicas: ReplicaSelector, health: RequestHealth,
        embedder: str = DEFAULT_EMBEDDER, *, max_parallel: int | None = None, caching: bool = False,
    ) -> None:  # fmt: skip
        self.fleet = fleet
        """All that can be searched."""
        self._statistics, self._replicas, self._health = statistics, replicas, health
        self._embedder, self._max_parallel, self._caching = embedder, max_parallel, caching

    async def plan(self, search: Search, asked: Search, deadline: SearchDeadline) -> SearchPlan:
        """The plan of `search`, which is what the caller's scope left of `asked`. Raises `InvalidInput`, `NotFound`."""
        check_search(search)
        pages, nodes = Pages(asked, self._embedder), self.fleet.nodes(search)
        targets = target_nodes(search, nodes, self.fleet.up(nodes), self._embedder)
        key = self._key(search, asked, targets, nodes)
        replicas = self._replicas.assign(targets, nodes, search.query, pages.pins)
        await self._statistics.ready(self._awaited(targets, replicas.keys), search.timeout_ms / 2000)
        query = analyze_search(search, self._embedder)
        members = selection_members(targets, replicas.expected_keys(), nodes, self._statistics, self._embedder)
        selection = select_shards(search, query, members, pages.nodes)
        statistics = self._counted(search, targets, self._replicas.counted(replicas), nodes)
        ask = shard_request(search, query, statistics.corpus, new_id(), deadline.left_s())
        return SearchPlan(
            search, asked, pages, pages.continued(ask), selection.narrowed(targets),
            replicas.without(selection.left_out()), selection, statistics, self._policy(search, selection),
            deadline, key,
        )  # fmt: skip

    def revalidated(self, plan: SearchPlan) -> SearchPlan:
        """The plan, without its cache key if what the answer depends on has changed since it was made."""
        if plan.key is None:
            return plan
        key = self._key(plan.search, plan.asked, plan.targets, self.fleet.nodes(plan.search))
        return plan if key == plan.key else dataclasses.replace(plan, key=None)

    def _key(self, search: Search, asked: Search, targets: TargetNodes, nodes: list[StoredNode]) -> str | None:
        if not self._caching or search.cache == "off" or search.explain:
            return None
        up, versions = self.fleet.up(nodes), self._statistics.versions(targets.keys)
        healthy = {node.name for node in nodes if node.name in up and node.state == "active"}
        return answer_key(search, asked, nodes, healthy, self.fleet.versions, versions, self._embedder)

    def _awaited(self, targets: TargetNodes, keys: Sequence[Key]) -> list[Key]:
        """The collections whose statistics the search waits for."""
        return [key for key in keys if key[0] in targets.asked and not self._health.breakers.is_open(key[0])]

    def _counted(
        self, search: Search, targets: TargetNodes, counted: Sequence[Key], nodes: Sequence[StoredNode]
    ) -> PlanStatistics:
        epochs = self._statistics.epochs(targets.keys) if search.explain else {}
        versions = self._statistics.versions(counted) + targets.uncounted
        return PlanStatistics(self._statistics.merged(counted), versions, epochs, documents_of(search, nodes))

    def _policy(self, search: Search, selection: ShardSelection) -> WaitingPolicy:
        limits = [limit for limit in (search.max_parallel, self._max_parallel) if limit is not None]
        return WaitingPolicy(search.partial, min(limits, default=None), selection.expected)
