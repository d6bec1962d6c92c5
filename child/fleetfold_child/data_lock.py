"""Lock of a data directory: one process for each."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from fleetfold_broker.file_lock import FileLock
from fleetfold_broker.secret_file import private_folder
from fleetfold_shared.errors import Conflict, InvalidInput

__all__ = ["DataLock"]


class DataLock:
    """Lock on `<directory>/lock` for this process, as a `FileLock`.

    Entering creates the directory if it is missing, and raises `Conflict` when another process holds the lock.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = FileLock(directory / "lock")

    def acquire(self) -> None:
        try:
            private_folder(self._directory)
            acquired = self._lock.acquire()
        except OSError as error:
            raise InvalidInput(f"data: {self._directory} cannot be used: {error.strerror}", field="data") from None
        if not acquired:
            raise Conflict(
                f"data: {self._directory} is in use by process {self._lock.holder()}; stop it, or choose another "
                "directory",
                field="data",
            )

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
