"""The master's database."""

from __future__ import annotations

from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store

__all__ = ["Store", "Write"]
