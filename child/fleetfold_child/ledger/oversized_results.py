"""Stored results that were too large to send, kept in the ledger for the compensation of their commands.

One row for a command, deleted by a trigger with its command. All functions run in the writer's thread.
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
    """Store the known part of the command's result."""
    text = msgspec.json.encode(result).decode()
    connection.execute("INSERT OR REPLACE INTO fleetfold_kept_result VALUES (?, ?)", (command_id, text))


def find(connection: sqlite3.Connection, command_id: str) -> str | None:
    """Return the JSON of the stored part of the command's result, if any."""
    found = connection.execute("SELECT result FROM fleetfold_kept_result WHERE command = ?", (command_id,)).fetchone()
    return None if found is None else str(found[0])
