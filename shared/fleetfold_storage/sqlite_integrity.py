"""State of a SQLite file: absent, without the expected tables, damaged."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Literal

__all__ = ["absence", "check_pages", "is_damage"]

Absence = Literal["is missing", "is empty", "holds no tables of fleetfold"]
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class DamagedPagesError(sqlite3.DatabaseError):
    """A page of the database is damaged."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def absence(path: Path, table: str) -> Absence | None:
    """Say why `path` is a new database; None if it has `table`, or cannot be read (which its opening will report).

    SQLite deletes the write-ahead log of an empty file when it opens it, so call this first.
    """
    try:
        if not path.stat().st_size:
            return "is empty"
    except FileNotFoundError:
        return "is missing"
    except OSError:
        return None
    with contextlib.suppress(sqlite3.Error):
        return None if _has(path, table) else "holds no tables of fleetfold"
    return None


def check_pages(connection: sqlite3.Connection, *, indexes: bool = False) -> None:
    """Read all pages of the database. Raises `sqlite3.DatabaseError` with the first damage.

    Takes about a second for each gigabyte on a local disk. `indexes`: compare them with their tables, too, which takes
    several times as long.
    """
    (found,) = connection.execute(f"PRAGMA {'integrity_check' if indexes else 'quick_check'}(1)").fetchone()
    if found != "ok":
        raise DamagedPagesError(" ".join(str(found).replace("*** in database main ***", "").split()))


def is_damage(error: BaseException) -> bool:
    """Tell whether SQLite raised `error` for damaged pages, or for a file that is no database."""
    return isinstance(error, sqlite3.DatabaseError) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in DAMAGE


def _has(path: Path, table: str) -> bool:
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
        return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone())
