"""The master's database: tables, migrations, the fence, and retention."""

from __future__ import annotations

from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store

__all__ = ["Store", "Write"]
