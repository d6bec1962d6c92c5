"""Federated search: one query to many nodes, their shard responses merged into one ranking.

A search passes three stages, each a folder: `plan` says what is asked of whom, `scatter` asks and gathers the shard
responses, `merge` makes one answer of them. `cache` is around the last two, and `federation` calls them in turn.
"""

from __future__ import annotations

from fleetfold_master.search.cache.query_cache import Cache
from fleetfold_master.search.collection_versions import CollectionVersions
from fleetfold_master.search.federation import Federation
from fleetfold_master.search.late_answers import LateAnswers
from fleetfold_master.search.own_collections import OwnCollections, OwnNode
from fleetfold_master.search.plan.planner import Planner, SearchableFleet
from fleetfold_master.search.plan.replica_selection import ReplicaSelector
from fleetfold_master.search.scatter.fan_out import ShardClient
from fleetfold_master.search.scatter.scatter import Scatter
from fleetfold_master.search.term_statistics import TermStatistics

__all__ = [
    "Cache",
    "CollectionVersions",
    "Federation",
    "LateAnswers",
    "OwnCollections",
    "OwnNode",
    "Planner",
    "ReplicaSelector",
    "Scatter",
    "SearchableFleet",
    "ShardClient",
    "TermStatistics",
]
