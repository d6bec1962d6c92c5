"""Quarantine of damaged files: which errors are damage, and how a file or folder is moved out of the way."""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["is_of_the_machine", "set_aside", "unused_name"]

COMPANIONS = ("-wal", "-shm")
"""Ends of the names of files that belong to a SQLite database."""
_OF_THE_MACHINE = (
    "no space", "permission denied", "quota", "read-only", "resource limits", "too many open files",
)  # fmt: skip


def is_of_the_machine(reason: str) -> bool:
    """Tell whether an error of the broker or the system is the machine's, so that a new file would not mend it."""
    return any(known in reason.lower() for known in _OF_THE_MACHINE)


def set_aside(path: Path, mark: str | None = None) -> Path | None:
    """Rename `path` to `<path>.<mark>`, by default `damaged-<UTC time>`; return the new path, None if there is nothing.
    Raises `OSError`.

    The log of a SQLite database goes with it.
    """
    if not path.exists():
        return None
    target = unused_name(path, mark or time.strftime("damaged-%Y%m%dT%H%M%SZ", time.gmtime()))
    for end in COMPANIONS:
        companion = path.with_name(f"{path.name}{end}")
        if companion.exists():
            companion.rename(target.with_name(f"{target.name}{end}"))
    return path.rename(target)


def unused_name(path: Path, mark: str) -> Path:
    """Return `<path>.<mark>`, or the first of `<path>.<mark>-2`, `-3` and so on that does not exist."""
    number, target = 1, path.with_name(f"{path.name}.{mark}")
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.{mark}-{number}")
    return target
