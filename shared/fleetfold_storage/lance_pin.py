"""A version of a LanceDB table, pinned by hard links so that no compaction takes its files away meanwhile.

Files of a version are immutable. A link to each, made within milliseconds in a folder beside the tables, keeps them on
the disk though the table's owner, another process, drops the version. It needs no lock and no call of the owner.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from fleetfold_storage.lance_manifest import LanceVersion, newest_manifest, read_manifest

__all__ = ["PinnedTable", "tables_below"]

_TRIES = 20
"""A version whose files are dropped while they are linked is given up for the newest one; the owner keeps versions for
minutes, so a second try is rare."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}
"""Errors of file systems without hard links: there a pin is a copy, which takes longer and may need a second try."""


def tables_below(folder: Path) -> list[Path]:
    """Return the folders of the tables in `folder`, by name."""
    return sorted(path for path in folder.glob("*.lance") if path.is_dir())


class PinnedTable:
    """The newest version of the table at `source`; `files()` are its files, readable until `close`.

    `links` is a new folder on the same file system. Raises `OSError` if it cannot be written, `ValueError` for a table
    that is damaged.
    """

    def __init__(self, source: Path, links: Path) -> None:
        self.name = source.name
        self._links = links
        self.version = self._pin(source)

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield each file's path below the table's folder, and its link."""
        for link in sorted(path for path in self._links.rglob("*") if path.is_file()):
            yield link.relative_to(self._links).as_posix(), link

    def close(self) -> None:
        """Remove the links."""
        shutil.rmtree(self._links, ignore_errors=True)

    def _pin(self, source: Path) -> LanceVersion:
        for attempt in range(_TRIES):
            try:
                return self._link_all(source)
            except OSError as error:
                self.close()
                if error.errno != errno.ENOENT:
                    raise
                if attempt + 1 == _TRIES:
                    raise ValueError(f"{source.name}: {Path(str(error.filename)).name} is missing") from None
        raise AssertionError

    def _link_all(self, source: Path) -> LanceVersion:
        path = newest_manifest(source)
        version = read_manifest(path, (source / path).read_bytes())
        for file in version.files:
            self._link(source, file)
        for folder in version.index_folders:
            for found in _files_in(source / folder):
                self._link(source, found.relative_to(source).as_posix())
        return version

    def _link(self, source: Path, file: str) -> None:
        link = self._links / file
        link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            link.hardlink_to(source / file)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copyfile(source / file, link)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _files_in(folder: Path) -> list[Path]:
    """The files of an index. Raises `FileNotFoundError` for one that was dropped."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    if not found:
        raise FileNotFoundError(errno.ENOENT, "no such index", str(folder))
    return found
