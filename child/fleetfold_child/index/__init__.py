"""The search room of the child: documents kept in LanceDB, scored in memory."""

from __future__ import annotations

from fleetfold_child.index.answers import search_collections
from fleetfold_child.index.collection import Collection
from fleetfold_child.index.lock import DataLock
from fleetfold_child.index.report import IndexReport
from fleetfold_child.index.source_state import SourceState

__all__ = ["Collection", "DataLock", "IndexReport", "SourceState", "search_collections"]
