"""Search index of a node: documents stored in LanceDB, scored in memory."""

from __future__ import annotations

from fleetfold_child.connectors.ingest_report import IndexReport
from fleetfold_child.data_lock import DataLock
from fleetfold_child.index.collection import Collection
from fleetfold_child.index.collection_declaration import CollectionDeclaration, CollectionListeners
from fleetfold_child.index.lancedb_errors import DamagedTable
from fleetfold_child.index.shard_search import search_collections

__all__ = [
    "Collection", "CollectionDeclaration", "CollectionListeners", "DamagedTable", "DataLock", "IndexReport",
    "search_collections",
]  # fmt: skip
