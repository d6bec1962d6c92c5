"""Check that the ledger's file exists, is sound and can be written."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

from fleetfold_child.ledger.node_database import Writer
from fleetfold_child.ledger.node_file import NodeFile
from fleetfold_shared.errors import FleetfoldError, Unavailable

__all__ = ["check_ledger"]

SMALL_BYTES = 8 * 1024**2
"""Largest file that is verified at each check, which takes about 10 ms; a larger one only after a failure."""


async def check_ledger(file: NodeFile, writer: Writer, thorough: bool) -> None:
    """Raise `Unavailable` with the reason when the ledger does not work.

    A file that has replaced a lost one is opened, if it is a ledger; a missing one is never created again.
    """
    try:
        await writer.run(lambda connection: _write(connection, file))
        await asyncio.to_thread(_read, file, thorough)
    except (sqlite3.Error, FleetfoldError) as error:
        why = file.lost() or str(error.__cause__ if isinstance(error, FleetfoldError) else error)
        file.stale |= isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
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
            (found,) = own.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(f"it is damaged: {found}")


def _write(connection: sqlite3.Connection, file: NodeFile) -> None:
    """Write without a change. After an error the writer reopens a lost or damaged file, and tries once more."""
    if file.stale or file.lost():
        raise sqlite3.OperationalError(file.lost() or "it was damaged")
    connection.execute("UPDATE fleetfold_schema SET version = version")
