"""The master's database."""

from __future__ import annotations

from fleetfold_master.store.database import Store
from fleetfold_master.store.statements import Write

__all__ = ["Store", "Write"]
