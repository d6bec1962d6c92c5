"""Secrets of a backup, put back in their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fleetfold.backup.catalogue import object_name
from fleetfold.backup.manifest import BackupManifest
from fleetfold.backup.pinning import SECRETS
from fleetfold.backup.secret_encryption import unseal
from fleetfold.backup.store_locations import MASTER_PART, BackupPlaces, node_of
from fleetfold.backup.targets import BackupTarget
from fleetfold_broker.quarantine import set_aside
from fleetfold_broker.secret_file import replace
from fleetfold_shared.errors import Conflict, InvalidInput

__all__ = ["check_secrets", "open_secrets", "put_secrets", "secret_places"]

_CREDENTIALS = "credentials.json"


def open_secrets(
    target: BackupTarget, manifest: BackupManifest, parts: Sequence[str], passphrase: str | None, *, credentials: bool
) -> tuple[dict[str, bytes], list[str]]:
    """Return the secrets of the parts by their paths in the backup, and what is left out with its reason."""
    sealed = manifest.below(SECRETS)
    if not sealed:
        return {}, list(manifest.left_out)
    if passphrase is None:
        return {}, ["keys, certificates and credentials: no passphrase was given"]
    found = unseal(target.read(object_name(sealed[0].sha256)), passphrase)
    mine = {path: content for path, content in found.items() if _part_of(path) in parts}
    chosen = {path: content for path, content in mine.items() if credentials or not path.endswith(f"/{_CREDENTIALS}")}
    return chosen, [
        f"{path}: invite the node again, or give --credentials" for path in sorted(mine.keys() - chosen.keys())
    ]


def secret_places(places: BackupPlaces, secrets: Mapping[str, bytes]) -> dict[Path, bytes]:
    """Return the contents by their files on this machine. Raises `InvalidInput` for a path that is none of ours."""
    return {_place(places, path): content for path, content in secrets.items()}


def check_secrets(files: Mapping[Path, bytes], *, force: bool) -> None:
    """Raise `Conflict` where another secret is there already, if not `force`."""
    for file, content in files.items():
        if not force and file.exists() and file.read_bytes() != content:
            raise Conflict(
                f"keys: {file} is there already, with other content; restore to an empty place, or have it moved aside "
                "with --force",
                field="data",
            )


def put_secrets(files: Mapping[Path, bytes], suffix: str) -> None:
    """Write the secrets, readable by their owner alone; others that are there are moved aside."""
    for file, content in files.items():
        if not file.exists() or file.read_bytes() != content:
            set_aside(file, f"before-{suffix}")
            replace(file, content)


def _part_of(path: str) -> str:
    return MASTER_PART if path.startswith(("keys/", "tls/")) else path.rpartition("/")[0]


def _place(places: BackupPlaces, path: str) -> Path:
    folder, _, name = path.rpartition("/")
    if name in {"", ".", ".."}:
        raise InvalidInput("backup: its secrets name files that are none of the fleet's; use another backup")
    if folder in {"keys", "tls"}:
        return (places.keys if folder == "keys" else places.tls) / name
    return places.node(node_of(folder)) / name
