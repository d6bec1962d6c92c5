"""The plan of one search: what is asked of whom, with which statistics, and how long it is waited for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.paging import Pages, Version
from fleetfold_master.search.plan.replica_assignment import ReplicaAssignment
from fleetfold_master.search.plan.shard_selection import ShardSelection
from fleetfold_master.search.plan.target_nodes import Key, TargetNodes
from fleetfold_shared.messages import Partial, Search, SearchRequest
from fleetfold_shared.text.term_statistics import MergedCorpus

__all__ = ["Documents", "PlanStatistics", "SearchDeadline", "SearchPlan", "WaitingPolicy", "documents_of"]

Documents = Mapping[str, Mapping[str, int]]
"""Number of documents to be searched, by node and collection."""


@dataclass(frozen=True, slots=True)
class SearchDeadline:
    """The caller's time limit, from `started` by `time.perf_counter`; `margin_s` of it is reserved for merging."""

    started: float
    timeout_s: float
    margin_s: float = 0.0

    def left_s(self) -> float:
        """Seconds left for the nodes; at least a millisecond."""
        return max(0.001, self.timeout_s - (time.perf_counter() - self.started) - self.margin_s)

    def took_ms(self) -> float:
        """Milliseconds since the search came."""
        return (time.perf_counter() - self.started) * 1000


@dataclass(frozen=True, slots=True)
class WaitingPolicy:
    """How nodes are waited for: whether the answer may lack some, and how many are asked at a time.

    `expected` is each node's share of the expected relevance; empty means equal shares.
    """

    partial: Partial = "allow"
    max_parallel: int | None = None
    expected: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanStatistics:
    """The statistics that weigh the query, with the versions of their collections.

    `epochs` are known if explanations are wanted; `documents` says how much there is to search.
    """

    corpus: MergedCorpus
    versions: Sequence[Version]
    epochs: Mapping[Key, int]
    documents: Documents


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """All that the scatter and the merge of one search need to know.

    `asked` is the caller's query, of which its scope left `search`. `targets` are the nodes, `replicas` the holders
    asked for replicated collections, `selection` the expected relevance and what `auto` chose. `key` is the cache key;
    None if the answer is not cached.
    """

    search: Search
    asked: Search
    pages: Pages
    ask: SearchRequest
    targets: TargetNodes
    replicas: ReplicaAssignment
    selection: ShardSelection
    statistics: PlanStatistics
    waiting: WaitingPolicy
    deadline: SearchDeadline
    key: str | None = None

    def timed_ask(self) -> SearchRequest:
        """The shard request, with the time that is left now."""
        return replace(self.ask, deadline_ms=max(1, round(self.deadline.left_s() * 1000)))


def documents_of(search: Search, nodes: Iterable[StoredNode]) -> Documents:
    """The nodes' documents in the searched collections, as last reported."""
    return {
        node.name: {
            one.name: one.documents
            for one in node.description.collections
            if not search.collections or one.name in search.collections
        }
        for node in nodes
    }
