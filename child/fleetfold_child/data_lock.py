"""Lock of a data directory: one process for each."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from fleetfold_broker.secret_file import FILE_MODE, private_folder
from fleetfold_shared.errors import Conflict, InvalidInput

__all__ = ["DataLock"]


class DataLock:
    """Lock on `<directory>/lock` for this process; the kernel releases it however the process ends, kill -9 included.

    Entering creates the directory if it is missing, and raises `Conflict` when another process holds the lock.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: int | None = None

    def acquire(self) -> None:
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise Conflict(
                f"data: {self._directory} is in use by process {holder}; stop it, or choose another directory",
                field="data",
            ) from None
        self._file = file
        with contextlib.suppress(OSError):  # the lock holds on a full disk too; only the holder's pid is not stored
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        try:
            private_folder(self._directory)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            return os.open(self._directory / "lock", flags, FILE_MODE)
        except OSError as error:
            raise InvalidInput(f"data: {self._directory} cannot be used: {error.strerror}", field="data") from None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
