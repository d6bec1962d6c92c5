"""Who has cancelled what runs: noted in the ledger, so that it is not begun again if the process dies first.

Everything here runs in the writer's thread. What becomes of a command that is cancelled stands in `cancelling`.
"""

from __future__ import annotations

import sqlite3

__all__ = ["TABLE", "find", "forget_ended", "note"]

TABLE = "CREATE TABLE IF NOT EXISTS fleetfold_cancelled (id TEXT PRIMARY KEY, cancelled_by TEXT NOT NULL)"


def note(connection: sqlite3.Connection, command_id: str, by: str) -> None:
    """It runs, and was told to stop. The first who wanted that counts."""
    connection.execute("INSERT OR IGNORE INTO fleetfold_cancelled VALUES (?, ?)", (command_id, by))


def find(connection: sqlite3.Connection, command_id: str) -> str | None:
    """Who has cancelled it, if somebody has."""
    found = connection.execute("SELECT cancelled_by FROM fleetfold_cancelled WHERE id = ?", (command_id,)).fetchone()
    return None if found is None else str(found[0])


def forget_ended(connection: sqlite3.Connection) -> None:
    """Drop the notes on commands that have ended."""
    connection.execute(
        "DELETE FROM fleetfold_cancelled WHERE id NOT IN (SELECT id FROM fleetfold_command WHERE state = 'running')"
    )
