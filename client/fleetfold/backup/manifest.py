"""The manifest of a backup: what it holds, from when, and the digests of its files.

It is a JSON document, written last: a backup without one is incomplete.
"""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared import __version__
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.query.where.version_order import version_of

__all__ = [
    "FORMAT", "BackupFile", "BackupManifest", "BackupStore", "StoreKind", "decode_manifest", "encode_manifest",
    "new_backup_id",
]  # fmt: skip

FORMAT = 1
"""Version of the layout and of the manifest. A newer one is refused."""

StoreKind = Literal["sqlite", "postgresql", "lance", "secrets", "file"]
_SAFE_PATH = re.compile(r"^(?!/)(?!.*(^|/)\.\.?(/|$))[^\0\\]+$")


class BackupFile(msgspec.Struct, frozen=True):
    """One file: its path in the backup, its SHA-256 in hexadecimal, which is also where it is stored, and its size."""

    path: str
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    bytes: int


class BackupStore(msgspec.Struct, frozen=True, kw_only=True):
    """One database or table. `path` is its file, or the folder of its files; `taken_at` is the instant of its snapshot
    in Unix seconds.

    `schema` is the revision of its tables, `rows` the number of rows by table; of a collection `rows` has its
    `documents`, and `version` is LanceDB's.
    """

    path: str
    kind: StoreKind
    taken_at: float
    schema: str = ""
    rows: dict[str, int] = {}
    version: int = 0


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole backup. `parts` are `master` and `nodes/NAME`; `left_out` says what is not in it, and why.

    `new_bytes` is what it has added to its target: files that were there already are not copied again.
    """

    id: str
    format: int = FORMAT
    fleetfold: str = __version__
    host: str
    began_at: float
    ended_at: float
    parts: list[str]
    stores: list[BackupStore]
    files: list[BackupFile]
    left_out: list[str] = []
    new_bytes: int = 0

    @property
    def bytes(self) -> int:
        """Size of all its files together."""
        return sum(file.bytes for file in self.files)

    def below(self, folder: str) -> list[BackupFile]:
        """Return the files in the folder, or the file itself."""
        return [file for file in self.files if file.path == folder or file.path.startswith(f"{folder}/")]


def encode_manifest(manifest: BackupManifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode_manifest(content: bytes, backup: str) -> BackupManifest:
    """Read a manifest. Raises `Conflict` for that of a newer fleetfold, `InvalidInput` for a damaged one."""
    try:
        said: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        _refuse_newer(backup, said)
        manifest = msgspec.convert(said, BackupManifest)
    except msgspec.MsgspecError:
        raise InvalidInput(f"backup {backup}: its manifest is damaged; use another backup", field="backup") from None
    unsafe = [file.path for file in manifest.files if not _SAFE_PATH.match(file.path)]
    if manifest.id != backup or unsafe:
        raise InvalidInput(
            f"backup {backup}: its manifest is not one that fleetfold has written; use another backup", field="backup"
        )
    return manifest


def new_backup_id(now: float, suffix: str) -> str:
    """Return an id that sorts by time: `20261129T204500Z-7f3a`."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-{suffix}"


def _refuse_newer(backup: str, said: dict[str, Any]) -> None:
    by, form = str(said.get("fleetfold", "")), said.get("format")
    is_newer = (version_of(by) or ((),))[0] > (version_of(__version__) or ((),))[0]
    if is_newer or (isinstance(form, int) and form > FORMAT):
        raise Conflict(
            f"backup {backup}: made by fleetfold {by[:64]}, format {form}; this is {__version__}, which knows up to "
            f"format {FORMAT}: upgrade fleetfold, then restore",
            field="backup",
        )
