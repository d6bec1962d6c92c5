"""Restoring of a backup to folders from which the daemons start.

Nothing is overwritten: a folder that is not empty is refused, and with `force` its contents are moved aside. All files
are fetched and checked before any of them gets its place, so what fails before that leaves the folders as they were.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from fleetfold.backup.catalogue import object_name
from fleetfold.backup.digests import file_digest
from fleetfold.backup.manifest import BackupFile, BackupManifest
from fleetfold.backup.orphaned_commands import UnknownWork, find_unknown_work
from fleetfold.backup.postgres_dump import check_unused, restore_dump
from fleetfold.backup.restore_folder import DataFolder, locked_folder
from fleetfold.backup.restored_secrets import check_secrets, open_secrets, put_secrets, secret_places
from fleetfold.backup.store_locations import MASTER_PART, BackupPlaces, node_of
from fleetfold.backup.targets import BackupTarget
from fleetfold_broker.quarantine import set_aside
from fleetfold_broker.secret_file import private_folder, replace
from fleetfold_child.ledger.node_audit import LEDGER
from fleetfold_shared.errors import InvalidInput, NotFound, Unavailable
from fleetfold_shared.restored_marker import MARKER, RestoredMarker

__all__ = ["RestoredBackup", "restore_backup"]

_DATABASE, _DUMP = "master.db", "master.dump"


class RestoredBackup(msgspec.Struct, frozen=True):
    """What was restored: the folder of each part. `unknown` is work that nodes have done and the master does not know.

    `left_out` says what was not restored, `moved` where the earlier contents of folders are now.
    """

    id: str
    folders: dict[str, str]
    bytes: int
    unknown: list[UnknownWork]
    left_out: list[str]
    moved: list[str]


def restore_backup(
    target: BackupTarget,
    manifest: BackupManifest,
    places: BackupPlaces,
    *,
    parts: Sequence[str] = (),
    passphrase: str | None = None,
    credentials: bool = False,
    force: bool = False,
) -> RestoredBackup:
    """Restore `parts`, or all that the backup has, and return what was done.

    Keys and certificates come back with the master where there is a `passphrase`. A node's credentials stay out but for
    `credentials`: those of a node that has renewed them since are taken for stolen. Raises `Conflict` for a folder that
    is not empty or in use, `InvalidInput` for a damaged backup.
    """
    chosen = _chosen(manifest, parts)
    url = _postgres_url(manifest, places, chosen)
    suffix = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    with ExitStack() as opened:
        folders = {
            part: opened.enter_context(
                locked_folder(_folder_of(places, part), of_master=part == MASTER_PART, force=force)
            )
            for part in chosen
        }
        if url:
            check_unused(url, force=force)
        secrets, left_out = open_secrets(target, manifest, chosen, passphrase, credentials=credentials)
        secret_files = secret_places(places, secrets)
        check_secrets(secret_files, force=force)
        _check_room(manifest, folders)
        for part, folder in folders.items():
            for file in manifest.below(part):
                _fetch(target, file, folder.draft / file.path.removeprefix(f"{part}/"))
        moved = [path for part, folder in folders.items() for path in _place(places, part, folder, url, suffix)]
        put_secrets(secret_files, suffix)
        _mark(manifest, places, chosen)
        unknown = _unknown(manifest, places, chosen)
    shown = {part: str(folder.path) for part, folder in folders.items()}
    size = sum(file.bytes for part in chosen for file in manifest.below(part))
    return RestoredBackup(manifest.id, shown, size, unknown, left_out, moved)


def _chosen(manifest: BackupManifest, parts: Sequence[str]) -> list[str]:
    for part in parts:
        if part not in manifest.parts:
            raise NotFound(f"{part}: the backup {manifest.id} has only {', '.join(manifest.parts)}", field="part")
    return list(parts or manifest.parts)


def _folder_of(places: BackupPlaces, part: str) -> Path:
    return places.master if part == MASTER_PART else places.node(node_of(part))


def _postgres_url(manifest: BackupManifest, places: BackupPlaces, parts: Sequence[str]) -> str | None:
    """The URL to restore the master's dump to; `None` without one. Raises `InvalidInput` for a database of the other
    kind."""
    if MASTER_PART not in parts:
        return None
    is_dump, file = bool(manifest.below(f"{MASTER_PART}/{_DUMP}")), places.master_file
    if is_dump and file is not None:
        raise InvalidInput(
            "database: this backup is of a PostgreSQL database; name one with --database postgresql://HOST/NAME",
            field="database",
        )
    if not is_dump and file is None:
        raise InvalidInput(
            "database: this backup is of an SQLite database; leave out --database, and master.database of the settings",
            field="database",
        )
    return places.database if is_dump else None


def _check_room(manifest: BackupManifest, folders: Mapping[str, DataFolder]) -> None:
    for part, folder in folders.items():
        needed = sum(file.bytes for file in manifest.below(part))
        free = shutil.disk_usage(folder.path).free
        if needed > free:
            raise Unavailable(f"data: {part} needs {needed:,} bytes, and {folder.path} has {free:,}; make room")


def _fetch(target: BackupTarget, file: BackupFile, place: Path) -> None:
    private_folder(place.parent)
    try:
        target.fetch(object_name(file.sha256), place)
    except FileNotFoundError:
        raise InvalidInput(f"backup: the copy of {file.path} is missing; restore another backup") from None
    if file_digest(place) != file.sha256:
        raise InvalidInput(f"backup: the copy of {file.path} is damaged; restore another backup")


def _place(places: BackupPlaces, part: str, folder: DataFolder, url: str | None, suffix: str) -> list[str]:
    """Give the drafted files their places; return where earlier ones are now."""
    moved: list[Path | None] = []
    if part == MASTER_PART:
        if url:
            restore_dump(folder.draft / _DUMP, url)
            (folder.draft / _DUMP).unlink()
        elif (file := places.master_file) is not None and file.parent != folder.path:
            private_folder(file.parent)
            moved.append(set_aside(file, f"before-{suffix}"))
            shutil.move(folder.draft / _DATABASE, file)
    folder.fill(suffix)
    return [str(path) for path in (*moved, folder.moved) if path is not None]


def _mark(manifest: BackupManifest, places: BackupPlaces, parts: Sequence[str]) -> None:
    for part in parts:
        file = places.master_file if part == MASTER_PART else None
        folder = file.parent if file is not None else _folder_of(places, part)
        marker = RestoredMarker(manifest.id, part, _taken_at(manifest, part), time.time())
        replace(folder / MARKER, msgspec.json.encode(marker) + b"\n")


def _taken_at(manifest: BackupManifest, part: str) -> float:
    databases = {f"{part}/{name}" for name in (_DATABASE, _DUMP, LEDGER)}
    return next((store.taken_at for store in manifest.stores if store.path in databases), manifest.began_at)


def _unknown(manifest: BackupManifest, places: BackupPlaces, parts: Sequence[str]) -> list[UnknownWork]:
    """What the restored nodes know beyond the restored master; nothing where only one side was restored."""
    ledgers = {node_of(part): _folder_of(places, part) / LEDGER for part in parts if part != MASTER_PART}
    if MASTER_PART not in parts or not ledgers:
        return []
    return find_unknown_work(places, ledgers, _taken_at(manifest, MASTER_PART))
