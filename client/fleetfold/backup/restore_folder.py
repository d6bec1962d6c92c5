"""A data folder that a backup is restored to: locked against its daemon, and filled at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from fleetfold_broker.data_version import STAMP
from fleetfold_broker.file_lock import FileLock
from fleetfold_broker.quarantine import unused_name
from fleetfold_broker.secret_file import private_folder
from fleetfold_child.data_lock import DataLock
from fleetfold_shared.errors import Conflict

__all__ = ["DataFolder", "locked_folder"]

_STAYS = ("lock", "master.lock", "credentials.json", STAMP)
"""Names of files that are no contents: locks, a node's credentials, which are newer than those of any backup, and the
version's stamp, which goes with what it was about."""
_DRAFT = ".restoring"
_LEFT = (_DRAFT, ".backup-")
"""Prefixes of what interrupted restores and backups leave."""


class DataFolder:
    """The folder at `path`, empty or to be emptied. Files are written below `draft` first; `moved` is where the earlier
    contents are after `fill`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.draft = path / _DRAFT
        self.moved: Path | None = None

    def contents(self) -> list[Path]:
        """Return what is in the folder, besides what stays and leftovers."""
        return sorted(one for one in self.path.iterdir() if one.name not in _STAYS and not one.name.startswith(_LEFT))

    def fill(self, suffix: str) -> None:
        """Move the earlier contents aside, to a folder beside it, and the drafted files to their places."""
        if found := self.contents():
            self.moved = unused_name(self.path, f"before-{suffix}")
            private_folder(self.moved)
            for one in found:
                one.rename(self.moved / one.name)
        (self.path / STAMP).unlink(missing_ok=True)
        for one in sorted(self.draft.iterdir()):
            one.rename(self.path / one.name)


@contextmanager
def locked_folder(path: Path, *, of_master: bool, force: bool) -> Iterator[DataFolder]:
    """Lock the folder, and yield it with an empty draft. Raises `Conflict` if a daemon uses it, or if it is not empty
    and not `force`."""
    with _lock(path, of_master=of_master):
        folder = DataFolder(path)
        if (found := folder.contents()) and not force:
            raise Conflict(
                f"data: {path} is not empty ({found[0].name}); restore to an empty place, or have it moved aside with "
                "--force",
                field="data",
            )
        shutil.rmtree(folder.draft, ignore_errors=True)
        folder.draft.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder.draft, ignore_errors=True)


def _lock(path: Path, *, of_master: bool) -> AbstractContextManager[object]:
    return _master_lock(path) if of_master else DataLock(path)


@contextmanager
def _master_lock(path: Path) -> Iterator[None]:
    private_folder(path)
    with FileLock(path / "master.lock").claim(f"data: a master uses {path}; stop it, or choose another directory"):
        yield
