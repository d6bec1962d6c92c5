"""Stores of a fleet, each pinned at one instant and then copied while its owner goes on writing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fleetfold.backup.manifest import BackupStore, StoreKind
from fleetfold_shared.errors import Unavailable
from fleetfold_storage.lance_pin import PinnedTable
from fleetfold_storage.sqlite_integrity import check_pages
from fleetfold_storage.sqlite_snapshot import SqliteSnapshot, open_copy, row_counts

__all__ = ["CopiedFile", "PinnedContent", "PinnedLance", "PinnedSqlite", "PinnedStore", "schema_of"]

_SCHEMAS = ("SELECT version_num FROM alembic_version", "SELECT max(version) FROM fleetfold_schema")
"""How the master's migrations and the node's ledger tell their revision."""


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file to store: its path in the backup, and where it is now. `immutable`: a file of this path and size has
    always the same content."""

    path: str
    local: Path
    immutable: bool = False


class PinnedStore(Protocol):
    """A store as it was when it was pinned, until `close`."""

    def copy(self, scratch: Path) -> tuple[BackupStore, list[CopiedFile]]:
        """Bring its files into shape, in the empty folder `scratch` if they need one."""

    def close(self) -> None:
        """Release it."""


class PinnedSqlite:
    """An SQLite database, `path` in the backup. Raises `Unavailable` for one that cannot be read."""

    def __init__(self, path: str, file: Path) -> None:
        self._path, self._file = path, file
        try:
            self._snapshot = SqliteSnapshot(file)
        except sqlite3.Error as error:
            raise _unreadable(file, error) from None
        self._taken_at = time.time()

    def copy(self, scratch: Path) -> tuple[BackupStore, list[CopiedFile]]:
        """Raises `Unavailable` for a damaged database: its copy would be as damaged."""
        made = scratch / "copy.db"
        try:
            self._snapshot.copy(made)
            with open_copy(made) as connection:
                check_pages(connection)
                rows, schema = row_counts(connection), schema_of(connection)
        except sqlite3.Error as error:
            raise _unreadable(self._file, error) from None
        store = BackupStore(path=self._path, kind="sqlite", taken_at=self._taken_at, schema=schema, rows=rows)
        return store, [CopiedFile(self._path, made)]

    def close(self) -> None:
        self._snapshot.close()


class PinnedLance:
    """The newest version of a LanceDB table, `path` in the backup; `links` is a folder for its pin."""

    def __init__(self, path: str, table: Path, links: Path) -> None:
        self._path = path
        try:
            self._pinned = PinnedTable(table, links)
        except (ValueError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise Unavailable(f"{table}: its newest version cannot be copied: {why}; look at the node's log") from None
        self._taken_at = time.time()

    def copy(self, scratch: Path) -> tuple[BackupStore, list[CopiedFile]]:  # noqa: ARG002 (its files are in shape)
        version = self._pinned.version
        store = BackupStore(
            path=self._path, kind="lance", taken_at=self._taken_at, rows={"documents": version.rows},
            version=version.version,
        )  # fmt: skip
        return store, list(self._files())

    def close(self) -> None:
        self._pinned.close()

    def _files(self) -> Iterator[CopiedFile]:
        for path, link in self._pinned.files():
            # a manifest is named by its number alone, which another table of this name may have had
            yield CopiedFile(f"{self._path}/{path}", link, immutable=not path.startswith("_versions/"))


class PinnedContent:
    """A small file whose content was read already."""

    def __init__(self, path: str, content: bytes, kind: StoreKind = "file") -> None:
        self._path, self._content, self._kind = path, content, kind
        self._taken_at = time.time()

    def copy(self, scratch: Path) -> tuple[BackupStore, list[CopiedFile]]:
        made = scratch / "content"
        made.write_bytes(self._content)
        return BackupStore(path=self._path, kind=self._kind, taken_at=self._taken_at), [CopiedFile(self._path, made)]

    def close(self) -> None:
        """Nothing is held."""


def schema_of(connection: sqlite3.Connection) -> str:
    """Return the revision of the master's or the node's tables; empty where there is none."""
    for query in _SCHEMAS:
        try:
            with closing(connection.execute(query)) as found:
                row = found.fetchone()
        except sqlite3.OperationalError:  # a table of the other kind of database
            continue
        return "" if row is None or row[0] is None else str(row[0])
    return ""


def _unreadable(file: Path, why: object) -> Unavailable:
    return Unavailable(f"{file}: cannot be backed up: {why}; look at the disk, and keep the backups that there are")
