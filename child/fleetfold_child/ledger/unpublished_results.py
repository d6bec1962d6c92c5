"""Results in the ledger that are to be published. Runs in the writer's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from fleetfold_child.ledger.ledger_schema import decode_answer
from fleetfold_shared.messages import CommandResult

__all__ = ["mark_published", "unpublished"]


def unpublished(connection: sqlite3.Connection, limit: int) -> list[CommandResult]:
    """Return results without a confirmation, oldest first."""
    found = connection.execute(
        "SELECT answer FROM fleetfold_command WHERE published = 0 AND finished_at IS NOT NULL"
        " ORDER BY finished_at LIMIT ?",
        (limit,),
    ).fetchall()
    return [decode_answer(answer) for (answer,) in found]


def mark_published(connection: sqlite3.Connection, command_ids: Iterable[str]) -> None:
    """Mark these commands' results as stored in the broker."""
    connection.executemany(
        "UPDATE fleetfold_command SET published = 1 WHERE id = ? AND published = 0",
        [(command_id,) for command_id in command_ids],
    )
