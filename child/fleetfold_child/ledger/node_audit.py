"""The node's own audit: the commands in its ledger and who asked for them, read beside the ledger's writer.

The ledger's file is opened for reading only, so it may be in use, and may be a copy.
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
"""The file's name in a node's data folder."""

_ROWS = """
    SELECT command.*, cancelled.cancelled_by FROM fleetfold_command AS command
    LEFT JOIN fleetfold_cancelled AS cancelled ON cancelled.id = command.id
    ORDER BY command.rowid DESC
"""


def read_node_audit(file: Path, since: float | None = None, limit: int = 50) -> list[NodeAuditEntry]:
    """The latest `limit` commands, oldest first, of those that came after `since` (Unix seconds). It reads a disk.

    `NotFound` when there is no such file, `InvalidInput` when it is no ledger.
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
    """A file of an earlier version does not say who asked."""
    return NodeAuditEntry(
        command=row["id"], action=row["action"], at=row["admitted_at"], caller=row.get("caller", ""),
        role=row.get("role", ""), outcome=row["outcome"], ended_at=row["finished_at"],
        ms=None if row["answer"] is None else decode_answer(row["answer"]).ms,
        starts=row["starts"], compensates=row["compensates"], cancelled_by=row["cancelled_by"],
    )  # fmt: skip
