"""The layout of a target, and the list of its backups.

backups/ID/started.json    written first
backups/ID/manifest.json   written last
objects/AB/SHA256          the files of all backups, each once
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fleetfold.backup.manifest import BackupManifest, decode_manifest
from fleetfold.backup.targets import BackupTarget
from fleetfold_shared.errors import FleetfoldError, NotFound

__all__ = [
    "BackupEntry", "complete_backups", "find_backup", "list_backups", "manifest_name", "object_name", "read_manifest",
    "started_name",
]  # fmt: skip

FOLDER = "backups"
OBJECTS = "objects"
_MANIFEST, _STARTED = "manifest.json", "started.json"


class BackupEntry(msgspec.Struct, frozen=True):
    """One backup of a target. `problem` says why one that is not complete cannot be restored; times are Unix seconds,
    `new_bytes` what it has added to the target."""

    id: str
    state: Literal["complete", "incomplete", "unreadable"]
    parts: list[str] = []
    began_at: float | None = None
    host: str = ""
    bytes: int = 0
    new_bytes: int = 0
    left_out: list[str] = []
    problem: str = ""


def manifest_name(backup: str) -> str:
    return f"{FOLDER}/{backup}/{_MANIFEST}"


def started_name(backup: str) -> str:
    return f"{FOLDER}/{backup}/{_STARTED}"


def object_name(sha256: str) -> str:
    return f"{OBJECTS}/{sha256[:2]}/{sha256}"


def list_backups(target: BackupTarget) -> list[BackupEntry]:
    """List all backups, the newest first, with those that are incomplete or cannot be read."""
    return [_entry(target, backup, complete=complete) for backup, complete in _found(target)]


def complete_backups(target: BackupTarget) -> list[BackupManifest]:
    """Return the manifests of the complete backups, the newest first. Raises for one that cannot be read."""
    return [read_manifest(target, backup) for backup, complete in _found(target) if complete]


def find_backup(target: BackupTarget, backup: str | None) -> BackupManifest:
    """Return the manifest of `backup`, or of the newest complete one. Raises `NotFound`."""
    found = dict(_found(target))
    if backup is None:
        backup = next((name for name, complete in found.items() if complete), None)
        if backup is None:
            raise NotFound("backup: the target has no complete backup; make one with `fleetfold backup create`")
    if backup not in found:
        raise NotFound(f"backup: the target has no {backup[:80]!r}; see `fleetfold backup list`", field="backup")
    if not found[backup]:
        raise NotFound(
            f"backup {backup}: it is incomplete, its making was interrupted; take another of `fleetfold backup list`",
            field="backup",
        )
    return read_manifest(target, backup)


def read_manifest(target: BackupTarget, backup: str) -> BackupManifest:
    return decode_manifest(target.read(manifest_name(backup)), backup)


def _found(target: BackupTarget) -> list[tuple[str, bool]]:
    """The ids, the newest first, and whether each has its manifest."""
    found: dict[str, bool] = {}
    for name in target.names(FOLDER):
        _, backup, file = f"{name}//".split("/")[:3]
        found[backup] = found.get(backup, False) or file == _MANIFEST
    return sorted(found.items(), reverse=True)


def _entry(target: BackupTarget, backup: str, *, complete: bool) -> BackupEntry:
    if not complete:
        return BackupEntry(backup, "incomplete", problem="its making was interrupted, or goes on")
    try:
        made = read_manifest(target, backup)
    except (FleetfoldError, OSError) as error:
        return BackupEntry(backup, "unreadable", problem=str(error))
    return BackupEntry(
        made.id, "complete", made.parts, made.began_at, made.host, made.bytes, made.new_bytes, made.left_out
    )
