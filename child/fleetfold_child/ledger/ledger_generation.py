"""Mark of a ledger: its generation, made with the file, and its height, which counts what was admitted and what ended.

Triggers count, so the height is in the same commit as the row. An old copy of the file has a lower height than the
masters know, and another file another generation. All functions run in the writer's thread.
"""

from __future__ import annotations

import sqlite3

from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import LedgerMark

__all__ = ["TABLES", "create", "read"]

_COUNT = "BEGIN UPDATE fleetfold_ledger SET height = height + 1; END"
TABLES = (
    "CREATE TABLE IF NOT EXISTS fleetfold_ledger (generation TEXT NOT NULL, height INTEGER NOT NULL)",
    f"CREATE TRIGGER IF NOT EXISTS fleetfold_admitted AFTER INSERT ON fleetfold_command {_COUNT}",
    f"""
    CREATE TRIGGER IF NOT EXISTS fleetfold_ended AFTER UPDATE OF state ON fleetfold_command
        WHEN old.state <> new.state {_COUNT}
    """,
)


def create(connection: sqlite3.Connection) -> None:
    """Give a ledger without a mark a generation of its own."""
    if connection.execute("SELECT 1 FROM fleetfold_ledger").fetchone() is None:
        connection.execute("INSERT INTO fleetfold_ledger VALUES (?, 0)", (new_id(),))


def read(connection: sqlite3.Connection) -> LedgerMark:
    """Return the present mark."""
    return LedgerMark(*connection.execute("SELECT generation, height FROM fleetfold_ledger").fetchone())
