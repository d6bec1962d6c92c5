"""The master's database."""

from __future__ import annotations

from fleetfold_master.store.database import Store
from fleetfold_master.store.nodes import Nodes, StoredNode
from fleetfold_master.store.statements import Write

__all__ = ["Nodes", "Store", "StoredNode", "Write"]
