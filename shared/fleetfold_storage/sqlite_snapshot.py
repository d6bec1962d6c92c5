"""Snapshots of an SQLite file that another process may be writing, and reading of their copies.

A snapshot is one read transaction: it shows the file as it was at one instant, and neither blocks writers nor is
blocked by them. While it is open the file's write-ahead log cannot be reset, so it grows with what is written.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["SqliteSnapshot", "open_copy", "row_counts"]

_BUSY_S = 30.0
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"


class SqliteSnapshot:
    """The file at `path` as it is now, until `close`. Raises `sqlite3.Error` if it cannot be read.

    Use it in the thread that has opened it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._source = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None
        )
        try:
            self._source.execute("BEGIN")
            self._source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the snapshot begins at a read
        except BaseException:
            self._source.close()
            raise

    def copy(self, place: Path) -> None:
        """Write the snapshot to the new file `place`: one file without a write-ahead log, synced."""
        with closing(sqlite3.connect(place, isolation_level=None)) as made:
            made.execute("PRAGMA synchronous=OFF")
            self._source.backup(made)
            made.execute("PRAGMA journal_mode=DELETE")
        _sync(place)

    def close(self) -> None:
        """End the read transaction."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def open_copy(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy that nobody writes, for reading alone; no file appears beside it."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as found:
        yield found


def row_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the number of rows of each table."""
    names = [name for (name,) in connection.execute(_TABLES).fetchall()]
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608  # the file's own names


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
