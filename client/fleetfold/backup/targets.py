"""Places that backups are kept in: a directory, or whatever a URL names that fsspec knows."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from fleetfold_broker.file_lock import FileLock
from fleetfold_broker.secret_file import FILE_MODE, private_folder, replace
from fleetfold_shared.errors import InvalidInput

__all__ = ["STAGING", "BackupTarget", "DirectoryTarget", "open_target"]


STAGING = ".staging-"
"""Prefix of folders for copies that are to be stored."""


class BackupTarget(Protocol):
    """Files by name, with `/` between folders. A file is whole when it has its name."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep others from writing meanwhile. Raises `Conflict` if another process is writing."""

    def scratch(self) -> Path | None:
        """Return a folder with room for copies that are to be stored; `None` for the system's."""

    def names(self, folder: str = "") -> Iterator[str]:
        """Yield the names of all files below `folder`."""

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes; `None` for one that is missing."""

    def read(self, name: str) -> bytes:
        """Return the contents of a small file. Raises `FileNotFoundError`."""

    def write(self, name: str, content: bytes) -> None:
        """Write a small file at once."""

    def put(self, name: str, source: Path) -> None:
        """Store a copy of the file at `source`."""

    def fetch(self, name: str, place: Path) -> None:
        """Copy a file to the new file at `place`. Raises `FileNotFoundError`."""

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""


class DirectoryTarget:
    """A directory of this machine, readable by its owner alone. Files are synced before they get their names.

    `wait_s` is how long `exclusive` waits for another process that is writing.
    """

    def __init__(self, folder: Path, wait_s: float = 0.0) -> None:
        if folder.exists() and not folder.is_dir():
            raise InvalidInput(f"target: {folder} is not a directory; name one, or a URL", field="target")
        self._folder, self._wait_s = folder, wait_s

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        private_folder(self._folder)
        running = f"target: another backup to {self._folder} is running; wait for its end"
        with FileLock(self._folder / ".lock").claim(running, self._wait_s):
            self._remove_leftovers()
            yield

    def scratch(self) -> Path | None:
        return self._folder if os.access(self._folder, os.W_OK) else None

    def names(self, folder: str = "") -> Iterator[str]:
        for path in sorted((self._folder / folder).rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
                yield name

    def size(self, name: str) -> int | None:
        try:
            return (self._folder / name).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        replace(self._folder / name, content)

    def put(self, name: str, source: Path) -> None:
        place = self._folder / name
        private_folder(place.parent)
        draft = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            _copy_synced(source, draft)
            draft.replace(place)
            _sync(place.parent)
        except OSError as error:
            if error.filename:
                raise
            raise OSError(error.errno, error.strerror, str(place)) from error  # that of a full disk has no name
        finally:
            draft.unlink(missing_ok=True)

    def fetch(self, name: str, place: Path) -> None:
        _copy_synced(self._folder / name, place)

    def delete(self, name: str) -> None:
        path = self._folder / name
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty
            path.parent.rmdir()

    def _remove_leftovers(self) -> None:
        """Remove copies of processes that died while they made a backup; nobody else is making one."""
        for left in self._folder.glob(f"{STAGING}*"):
            shutil.rmtree(left, ignore_errors=True)


def open_target(text: str, wait_s: float = 0.0) -> BackupTarget:
    """Open a directory, or a URL such as `s3://bucket/fleet`; a directory waits for others for `wait_s`.

    Raises `InvalidInput` for one that cannot be used, `ModuleNotFoundError` where a URL's packages are missing.
    """
    if "://" not in text or text.startswith("file://"):
        return DirectoryTarget(Path(text.removeprefix("file://")), wait_s)
    from fleetfold.backup.url_target import UrlTarget

    return UrlTarget(text)


def _sync(folder: Path) -> None:
    """Sync the folder, so that new names in it are on the disk too."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _copy_synced(source: Path, place: Path) -> None:
    file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(file, "wb") as out, source.open("rb") as content:
        shutil.copyfileobj(content, out, 1024 * 1024)
        out.flush()
        os.fsync(out.fileno())
