"""Checks of a backup: its files are those of its manifest, and its databases and tables open and hold their rows."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fleetfold.backup.catalogue import object_name
from fleetfold.backup.digests import file_digest
from fleetfold.backup.manifest import BackupFile, BackupManifest, BackupStore
from fleetfold.backup.postgres_dump import dump_damage
from fleetfold.backup.secret_encryption import unseal
from fleetfold.backup.targets import BackupTarget
from fleetfold_shared.errors import FleetfoldError
from fleetfold_storage.sqlite_integrity import check_pages
from fleetfold_storage.sqlite_snapshot import open_copy, row_counts

__all__ = ["BackupCheck", "VerifiedBackup", "verify_backup"]


class BackupCheck(msgspec.Struct, frozen=True):
    """One store that was checked: its rows as counted in the copy, and what is wrong with it. `note` says what could
    not be checked."""

    path: str
    kind: str
    rows: int = 0
    problem: str = ""
    note: str = ""


class VerifiedBackup(msgspec.Struct, frozen=True):
    """Result of a verification."""

    id: str
    ok: bool
    bytes: int
    files: int
    stores: list[BackupCheck]


def verify_backup(target: BackupTarget, manifest: BackupManifest, passphrase: str | None = None) -> VerifiedBackup:
    """Fetch every file of the backup, one store after the other, and open what it is.

    For a thread without an event loop. Takes as much room as the largest store, in the target's folder or the system's
    temporary one.
    """
    checks = [_check(target, manifest, store, passphrase) for store in manifest.stores]
    ok = not any(check.problem for check in checks)
    return VerifiedBackup(manifest.id, ok, manifest.bytes, len(manifest.files), checks)


def _check(target: BackupTarget, manifest: BackupManifest, store: BackupStore, passphrase: str | None) -> BackupCheck:
    with tempfile.TemporaryDirectory(prefix=".verify-", dir=target.scratch()) as folder:
        place = Path(folder)
        files = manifest.below(store.path)
        problem = next(_wrong_files(target, files, place), "" if files else "the manifest names none of its files")
        if problem:
            return BackupCheck(store.path, store.kind, problem=problem)
        try:
            return _opened(store, place / store.path, passphrase)
        except (FleetfoldError, OSError, sqlite3.Error) as error:
            return BackupCheck(store.path, store.kind, problem=str(error))


def _wrong_files(target: BackupTarget, files: list[BackupFile], place: Path) -> Iterator[str]:
    """Fetch the files to their paths below `place`; yield what is wrong with them."""
    for file in files:
        local = place / file.path
        local.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.fetch(object_name(file.sha256), local)
        except FileNotFoundError:
            yield f"{file.path} is missing"
            continue
        if local.stat().st_size != file.bytes:
            yield f"{file.path} has {local.stat().st_size:,} bytes, not {file.bytes:,}"
        elif file_digest(local) != file.sha256:
            yield f"{file.path} has another content than it was stored with"


def _opened(store: BackupStore, place: Path, passphrase: str | None) -> BackupCheck:
    if store.kind == "sqlite":
        return _sqlite(store, place)
    if store.kind == "lance":
        return _lance(store, place)
    if store.kind == "postgresql":
        return _postgresql(store, place)
    if store.kind == "secrets":
        return _secrets(store, place, passphrase)
    return BackupCheck(store.path, store.kind)


def _sqlite(store: BackupStore, place: Path) -> BackupCheck:
    with open_copy(place) as connection:
        try:
            check_pages(connection, indexes=True)
            rows = row_counts(connection)
        except sqlite3.DatabaseError as error:
            return BackupCheck(store.path, store.kind, problem=str(error))
    problem = ""
    if rows != store.rows:
        other = next(name for name in sorted(rows.keys() | store.rows.keys()) if rows.get(name) != store.rows.get(name))
        problem = f"the table {other} has {rows.get(other, 0):,} rows, not {store.rows.get(other, 0):,}"
    return BackupCheck(store.path, store.kind, sum(rows.values()), problem)


def _postgresql(store: BackupStore, place: Path) -> BackupCheck:
    if shutil.which("pg_restore") is None:
        return BackupCheck(store.path, store.kind, note="not opened: pg_restore is not installed")
    return BackupCheck(store.path, store.kind, sum(store.rows.values()), dump_damage(place), note="rows not counted")


def _secrets(store: BackupStore, place: Path, passphrase: str | None) -> BackupCheck:
    if passphrase is None:
        return BackupCheck(store.path, store.kind, note="not opened: no passphrase was given")
    return BackupCheck(store.path, store.kind, len(unseal(place.read_bytes(), passphrase)))


def _lance(store: BackupStore, place: Path) -> BackupCheck:
    try:
        from fleetfold_child.index.table_copy_check import count_documents

        found = asyncio.run(count_documents(place))
    except ModuleNotFoundError as error:
        return BackupCheck(store.path, store.kind, note=f"not opened: {error.name} is not installed")
    wanted = store.rows["documents"]
    problem = "" if found == wanted else f"it has {found:,} documents, not {wanted:,}"
    return BackupCheck(store.path, store.kind, found, problem)
