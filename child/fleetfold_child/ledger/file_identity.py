"""Identity of the node's SQLite file on the disk: detects that it was deleted or replaced."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import stat
from pathlib import Path

__all__ = ["NodeFile"]

Identity = tuple[int, int]
"""Device and inode."""


class NodeFile:
    """The file at `path`. SQLite keeps writing to a file that was deleted or replaced; this class detects it.

    `stale`: cached pages of the open connection may be wrong.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stale = False
        self._opened: Identity | None = None
        self._log: Identity | None = None

    @property
    def is_new(self) -> bool:
        """Whether it has not been opened yet, and may be created."""
        return self._opened is None

    @property
    def uri(self) -> str:
        """URI for SQLite. A file that is lost later is not created again."""
        return f"{self.path.absolute().as_uri()}?mode={'rwc' if self._opened is None else 'rw'}"

    def before_opening(self) -> None:
        """Check a file that has replaced the open one. Raises `sqlite3.Error` when it is no ledger.

        The lost file's write-ahead log is removed: SQLite would write its pages into the new file.
        """
        found = _identity(self.path)
        if self._opened is None or found in {None, self._opened}:
            return
        self._check_successor()
        if self._log is not None and _identity(self._wal) == self._log:
            for file in (self._wal, self.path.with_name(f"{self.path.name}-shm")):
                file.unlink(missing_ok=True)

    def opened(self) -> None:
        """Record the identity of the file at the path."""
        self._opened, self._log, self.stale = _identity(self.path), _identity(self._wal), False

    def distrust(self) -> None:
        """Record that cached pages of the open connection may be wrong, until the file is opened again."""
        self.stale = True

    def lost(self) -> str:
        """Return the reason why the file is not the opened one; empty when it is."""
        try:
            found = self.path.stat()
        except OSError as error:
            return "it is missing" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        if not stat.S_ISREG(found.st_mode):
            return "it is not a regular file"
        return "" if (found.st_dev, found.st_ino) == self._opened else "it was replaced"

    def _check_successor(self) -> None:
        where = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(where, uri=True)) as found:
            found.execute("SELECT version FROM fleetfold_schema").fetchall()

    @property
    def _wal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-wal")


def _identity(path: Path) -> Identity | None:
    """Return the identity of the file at `path`; `None` when there is none."""
    try:
        found = path.stat()
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            return None
        raise
    return found.st_dev, found.st_ino
