"""Exclusive file lock between processes of one machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from fleetfold_broker.secret_file import FILE_MODE
from fleetfold_shared.errors import Conflict

__all__ = ["FileLock"]

LOOK_S = 0.02
"""Interval in seconds at which a held lock is tried again: the kernel does not notify."""


class FileLock:
    """Exclusive lock (`flock`) on the file `path`, which is created if it is missing, for its owner alone, and stays.

    It ends with `release`, or with the process, however that ends, kill -9 included; a child process that inherits
    `descriptor` holds it too. The file has the process id of its holder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    @property
    def descriptor(self) -> int:
        """File descriptor of the held lock."""
        assert self._file is not None
        return self._file

    def acquire(self) -> bool:
        """Lock without waiting; return whether this process holds the lock now. Raises `OSError` for a file that cannot
        be opened.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if not isinstance(error, BlockingIOError):
                raise
            return False
        self._file = file
        with contextlib.suppress(OSError):  # the lock holds on a full disk too; only the holder's pid is not stored
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        return True

    def claim(self, in_use: str, timeout_s: float = 0.0) -> Self:
        """Lock, waiting for at most `timeout_s` seconds of this thread. Raises `Conflict` with the message `in_use`
        when another holds the lock for so long.
        """
        until = time.monotonic() + timeout_s
        while not self.acquire():
            if time.monotonic() >= until:
                raise Conflict(in_use)
            time.sleep(LOOK_S)
        return self

    def holder(self) -> str:
        """Return the process id of the holder, or `unknown`."""
        with contextlib.suppress(OSError):
            return self._path.read_bytes()[:20].decode("ascii", "replace").strip() or "unknown"
        return "unknown"

    def release(self) -> None:
        """Unlock; safe to call twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
