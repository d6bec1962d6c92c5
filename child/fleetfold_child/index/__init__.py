"""The search room of the child: documents kept in LanceDB, scored in memory."""

from __future__ import annotations

from fleetfold_child.datalock import DataLock
from fleetfold_child.index.answers import search_collections
from fleetfold_child.index.collection import Collection
from fleetfold_child.ingestreport import IndexReport

__all__ = ["Collection", "DataLock", "IndexReport", "search_collections"]
