"""Confirmations: which ended commands the masters have settled for good, so that the ledger may forget them.

A row is deleted only when it is confirmed and older than the retention time. The wall clock alone never deletes one:
it may be wrong by years. All functions run in the writer's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

__all__ = ["AT_ONCE", "INDEXES", "confirm", "find_forgettable", "find_unconfirmed", "forget"]

AT_ONCE = 1000
"""Most commands of one request to the masters, and of one commit that deletes."""

INDEXES = (
    """
    CREATE INDEX IF NOT EXISTS fleetfold_command_unconfirmed ON fleetfold_command (id)
        WHERE confirmed = 0 AND published = 1 AND finished_at IS NOT NULL
    """,
    """
    CREATE INDEX IF NOT EXISTS fleetfold_command_confirmed ON fleetfold_command (finished_at)
        WHERE confirmed = 1 AND finished_at IS NOT NULL
    """,
)


def find_unconfirmed(connection: sqlite3.Connection, after: str) -> list[str]:
    """Return up to `AT_ONCE` ended commands that are not confirmed, by id, from the one behind `after`."""
    found = connection.execute(
        "SELECT id FROM fleetfold_command WHERE confirmed = 0 AND published = 1 AND finished_at IS NOT NULL"
        " AND id > ? ORDER BY id LIMIT ?",
        (after, AT_ONCE),
    )
    return [command_id for (command_id,) in found]


def confirm(connection: sqlite3.Connection, command_ids: Iterable[str]) -> None:
    """Mark ended commands as settled for good."""
    connection.executemany(
        "UPDATE fleetfold_command SET confirmed = 1 WHERE id = ? AND finished_at IS NOT NULL",
        [(command_id,) for command_id in command_ids],
    )


def find_forgettable(connection: sqlite3.Connection, before: float) -> list[str]:
    """Return up to `AT_ONCE` confirmed commands that ended before that Unix second."""
    found = connection.execute(
        "SELECT id FROM fleetfold_command WHERE confirmed = 1 AND finished_at IS NOT NULL AND finished_at < ? LIMIT ?",
        (before, AT_ONCE),
    )
    return [command_id for (command_id,) in found]


def forget(connection: sqlite3.Connection, command_ids: Iterable[str]) -> None:
    """Delete confirmed commands."""
    connection.executemany(
        "DELETE FROM fleetfold_command WHERE id = ? AND confirmed = 1", [(command_id,) for command_id in command_ids]
    )
