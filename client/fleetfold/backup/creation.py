"""Making of a backup, beside the daemons that use the stores."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from fleetfold.backup.catalogue import complete_backups, manifest_name, object_name, started_name
from fleetfold.backup.digests import file_digest
from fleetfold.backup.manifest import BackupFile, BackupManifest, BackupStore, encode_manifest, new_backup_id
from fleetfold.backup.pinned_stores import CopiedFile
from fleetfold.backup.pinning import SECRETS, pin_all, secret_files
from fleetfold.backup.store_locations import BackupPlaces
from fleetfold.backup.targets import STAGING, BackupTarget
from fleetfold_shared.errors import FleetfoldError, Unavailable

__all__ = ["create_backup"]


def create_backup(
    target: BackupTarget, places: BackupPlaces, parts: Iterable[str], *, passphrase: str | None = None
) -> BackupManifest:
    """Copy the stores of `parts` to the target; what is there already is not copied again.

    Each store is a snapshot of one instant; daemons may run and write meanwhile. Secrets are encrypted by the
    passphrase, and left out without one. Raises `Conflict` when another backup to this target is running.
    """
    parts = list(parts)
    with target.exclusive(), ExitStack() as opened:
        began_at = time.time()
        backup = new_backup_id(began_at, os.urandom(2).hex())
        target.write(started_name(backup), msgspec.json.encode({"began_at": began_at, "host": socket.gethostname()}))
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix=STAGING, dir=target.scratch())))
        pinned = list(pin_all(places, parts, passphrase, opened))
        copying = _Copying(target)
        stores: list[BackupStore] = []
        for number, store in enumerate(pinned):
            (folder := scratch / str(number)).mkdir()
            copied, files = store.copy(folder)
            stores.append(copied)
            copying.add(files)
        manifest = BackupManifest(
            id=backup, host=socket.gethostname(), began_at=began_at, ended_at=time.time(), parts=parts, stores=stores,
            files=copying.check(), left_out=_left_out(places, parts, stores), new_bytes=copying.new_bytes,
        )  # fmt: skip
        target.write(manifest_name(backup), encode_manifest(manifest))
        target.delete(started_name(backup))
        return manifest


class _Copying:
    """Stores files under their digests, each content once."""

    def __init__(self, target: BackupTarget) -> None:
        self._target = target
        self._known = _known_files(target)
        self._files: list[BackupFile] = []
        self.new_bytes = 0

    def add(self, files: Iterable[CopiedFile]) -> None:
        for file in files:
            size = file.local.stat().st_size
            known = self._known.get((file.path, size)) if file.immutable else None
            sha256 = known if known and self._has(known, size) else file_digest(file.local)
            if not self._has(sha256, size):
                self._target.put(object_name(sha256), file.local)
                self.new_bytes += size
            self._files.append(BackupFile(file.path, sha256, size))

    def check(self) -> list[BackupFile]:
        """Return all files. Raises `Unavailable` if one is not at the target any more."""
        for file in self._files:
            if not self._has(file.sha256, file.bytes):
                raise Unavailable(f"target: the copy of {file.path} is gone; is somebody deleting there? try again")
        return self._files

    def _has(self, sha256: str, size: int) -> bool:
        return self._target.size(object_name(sha256)) == size


def _known_files(target: BackupTarget) -> dict[tuple[str, int], str]:
    """The digests of files of earlier backups, by path and size; without those that a newer fleetfold has made."""
    try:
        earlier = complete_backups(target)
    except (FleetfoldError, OSError):
        return {}
    return {(file.path, file.bytes): file.sha256 for made in reversed(earlier) for file in made.files}


def _left_out(places: BackupPlaces, parts: list[str], stores: list[BackupStore]) -> list[str]:
    if any(store.path == SECRETS for store in stores):
        return []
    found = secret_files(places, parts)
    return [f"{path}: no passphrase was given" for path in sorted(found)]
