"""Disk errors as one readable line with the path, from any library."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from pathlib import Path

from fleetfold_shared.errors import Unavailable

__all__ = ["disk_error", "errno_of", "without_sources"]

_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # how Rust's libraries write an errno
_SOURCE = re.compile(r",?\s*/\S+\.rs:\d+:\d+")  # where in Rust's libraries it was raised: says nothing to a user
_SQLITE = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_IOERR: errno.EIO, sqlite3.SQLITE_READONLY: errno.EROFS}
_ADVICE = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room, or have the quota raised",
    errno.EFBIG: "raise the limit of file sizes (`ulimit -f`)",
    errno.EROFS: "make the disk writable",
    errno.EACCES: "give this user the right to write there",
    errno.EPERM: "give this user the right to write there",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
}


def disk_error(error: BaseException, path: Path) -> Unavailable | None:
    """Return the error of the disk at `path` with advice; `None` when the error is of another kind."""
    number = errno_of(error)
    if number is None:
        return None
    advice = _ADVICE.get(number, "look at the disk and the system's log")
    return Unavailable(f"{path}: {os.strerror(number).lower()}; {advice}")


def without_sources(error: BaseException) -> str:
    """Return the first line of the error's text, without places in a library's source."""
    said = _SOURCE.sub("", str(error)).strip()
    return said.splitlines()[0] if said else type(error).__name__


def errno_of(error: BaseException) -> int | None:
    """Return the system's number of the error, from any library; None when it has none."""
    if isinstance(error, sqlite3.Error):
        return _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _OS_ERROR.search(str(error))
    return int(found[1]) if found else None
