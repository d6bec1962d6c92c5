"""Results that could not travel, kept in the ledger for the compensation of their commands.

One row for a command; it goes when its command is forgotten, by a trigger. Everything here runs in the writer's thread.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

__all__ = ["TABLES", "find", "store"]

TABLES = (
    "CREATE TABLE IF NOT EXISTS fleetfold_kept_result (command TEXT PRIMARY KEY, result TEXT NOT NULL)",
    """
    CREATE TRIGGER IF NOT EXISTS fleetfold_kept_result_forgotten AFTER DELETE ON fleetfold_command
    BEGIN DELETE FROM fleetfold_kept_result WHERE command = old.id; END
    """,
)


def store(connection: sqlite3.Connection, command_id: str, result: Any) -> None:
    """Keep what is known of the command's result."""
    text = msgspec.json.encode(result).decode()
    connection.execute("INSERT OR REPLACE INTO fleetfold_kept_result VALUES (?, ?)", (command_id, text))


def find(connection: sqlite3.Connection, command_id: str) -> str | None:
    """The JSON of what was kept of the command's result, if anything was."""
    found = connection.execute("SELECT result FROM fleetfold_kept_result WHERE command = ?", (command_id,)).fetchone()
    return None if found is None else str(found[0])
