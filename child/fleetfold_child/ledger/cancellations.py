"""Cancellations of running commands, stored in the ledger so that they are not started again after a crash.

All functions run in the writer's thread. The rules are in `commands.cancellation`.
"""

from __future__ import annotations

import sqlite3

__all__ = ["TABLE", "find", "forget_ended", "note"]

TABLE = "CREATE TABLE IF NOT EXISTS fleetfold_cancelled (id TEXT PRIMARY KEY, cancelled_by TEXT NOT NULL)"


def note(connection: sqlite3.Connection, command_id: str, by: str) -> None:
    """Store that a running command was cancelled, and by which identity; the first one counts."""
    connection.execute("INSERT OR IGNORE INTO fleetfold_cancelled VALUES (?, ?)", (command_id, by))


def find(connection: sqlite3.Connection, command_id: str) -> str | None:
    """Return the identity that cancelled the command, if any."""
    found = connection.execute("SELECT cancelled_by FROM fleetfold_cancelled WHERE id = ?", (command_id,)).fetchone()
    return None if found is None else str(found[0])


def forget_ended(connection: sqlite3.Connection) -> None:
    """Delete cancellations of commands that have ended."""
    connection.execute(
        "DELETE FROM fleetfold_cancelled WHERE id NOT IN (SELECT id FROM fleetfold_command WHERE state = 'running')"
    )
