"""Quarantine: a damaged file or folder is kept under another name, and a new one can be made in its place."""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["set_aside"]


COMPANIONS = ("-wal", "-shm")
"""Ends of the names of files that belong to a SQLite database."""


def set_aside(path: Path) -> Path | None:
    """Rename `path` to `<path>.damaged-<UTC time>`; return the new path, None if there is nothing. Raises `OSError`.

    The log of a SQLite database goes with it.
    """
    if not path.exists():
        return None
    stem = f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    number, target = 1, path.with_name(stem)
    while target.exists():
        number, target = number + 1, path.with_name(f"{stem}-{number}")
    for end in COMPANIONS:
        companion = path.with_name(f"{path.name}{end}")
        if companion.exists():
            companion.rename(target.with_name(f"{target.name}{end}"))
    return path.rename(target)
