"""Check that the ledger's file exists, is sound and can be written."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

from fleetfold_child.ledger.file_identity import NodeFile
from fleetfold_child.ledger.node_database import Writer
from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_storage.sqlite_integrity import check_pages

__all__ = ["check_ledger"]

SMALL_BYTES = 8 * 1024**2
"""Largest file that is verified at each check, which takes about 10 ms; a larger one only after a failure."""
ROOM_BYTES = 256 * 1024
"""Free space that the disk must have. The check's own small write fits into SQLite's existing log, so on a full disk it
succeeds where that of a command does not.
"""


async def check_ledger(file: NodeFile, writer: Writer, thorough: bool) -> None:
    """Raise `Unavailable` with the reason when the ledger does not work.

    A file that has replaced a lost one is opened, if it is a ledger; a missing one is never created again.
    """
    try:
        await writer.run(lambda connection: _write(connection, file))
        await asyncio.to_thread(_read, file, thorough)
        if thorough:
            await asyncio.to_thread(_find_room, file.path.parent)
    except (sqlite3.Error, OSError, FleetfoldError) as error:
        why = file.lost() or _why(error)
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            file.distrust()
        raise Unavailable(
            f"ledger: {file.path.name} in the node's data does not work ({why}); look at the disk, and put the file "
            "back if it is missing or damaged"
        ) from error


def _read(file: NodeFile, thorough: bool) -> None:
    """Read with a separate connection, which has no cached pages."""
    with contextlib.closing(sqlite3.connect(f"{file.path.absolute().as_uri()}?mode=ro", uri=True)) as own:
        own.execute("SELECT version FROM fleetfold_schema").fetchall()
        (pages,), (size,) = own.execute("PRAGMA page_count").fetchone(), own.execute("PRAGMA page_size").fetchone()
        if thorough or pages * size <= SMALL_BYTES:
            check_pages(own)


def _find_room(folder: Path) -> None:
    """Write a file without a name, which is gone at the end: quotas count too, and free blocks do not tell of them."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        left = ROOM_BYTES
        while left:
            left -= file.write(bytes(left))
        os.fsync(file.fileno())


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error.__cause__ if isinstance(error, FleetfoldError) else error)


def _write(connection: sqlite3.Connection, file: NodeFile) -> None:
    """Write without a change. After an error the writer reopens a lost or damaged file, and tries once more."""
    if file.stale or file.lost():
        raise sqlite3.OperationalError(file.lost() or "it was damaged")
    connection.execute("UPDATE fleetfold_schema SET version = version")
