"""Audit of a node: the commands in its ledger and their callers, read besides the ledger's writer.

The file is opened read-only, so it may be in use, or be a copy.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from fleetfold_child.ledger.ledger_schema import decode_answer
from fleetfold_shared.errors import InvalidInput, NotFound
from fleetfold_shared.messages import NodeAuditEntry

__all__ = ["LEDGER", "read_node_audit"]

LEDGER = "node.db"
"""Name of the file in a node's data folder."""

_ROWS = """
    SELECT command.*, cancelled.cancelled_by FROM fleetfold_command AS command
    LEFT JOIN fleetfold_cancelled AS cancelled ON cancelled.id = command.id
    ORDER BY command.rowid DESC
"""


def read_node_audit(file: Path, since: float | None = None, limit: int = 50) -> list[NodeAuditEntry]:
    """Return the latest `limit` commands received after `since` (Unix seconds), oldest first. Blocks on the disk.

    Raises `NotFound` for a missing file, `InvalidInput` for one that is no ledger.
    """
    if not file.is_file():
        raise NotFound(f"data: {file} is not there; name the data folder of a node, which holds {LEDGER}", field="data")
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as connection:
            connection.row_factory = sqlite3.Row
            with closing(connection.execute(_ROWS)) as rows:
                wanted = takewhile(lambda row: since is None or row["admitted_at"] >= since, rows)
                return [_entry(dict(row)) for row in islice(wanted, limit)][::-1]
    except sqlite3.Error as error:
        raise InvalidInput(f"data: {file} cannot be read as a node's ledger: {error}", field="data") from None


def _entry(row: dict[str, Any]) -> NodeAuditEntry:
    """Convert a row; files of an earlier version have no caller."""
    return NodeAuditEntry(
        command=row["id"], action=row["action"], at=row["admitted_at"], caller=row.get("caller", ""),
        role=row.get("role", ""), outcome=row["outcome"], ended_at=row["finished_at"],
        ms=None if row["answer"] is None else decode_answer(row["answer"]).ms,
        starts=row["starts"], compensates=row["compensates"], cancelled_by=row["cancelled_by"],
    )  # fmt: skip
