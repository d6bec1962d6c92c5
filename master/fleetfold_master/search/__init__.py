"""Federated search: one query to many nodes, their shard responses merged into one ranking."""

from __future__ import annotations

from fleetfold_master.search.cache.query_cache import Cache
from fleetfold_master.search.collection_versions import CollectionVersions
from fleetfold_master.search.federation import Federation
from fleetfold_master.search.own_collections import Own, OwnCollections
from fleetfold_master.search.term_statistics import TermStatistics

__all__ = ["Cache", "CollectionVersions", "Federation", "Own", "OwnCollections", "TermStatistics"]
