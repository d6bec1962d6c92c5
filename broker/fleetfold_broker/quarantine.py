"""Quarantine: a damaged file or folder is kept under another name, and a new one can be made in its place."""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["set_aside"]


def set_aside(path: Path, what: str = "damaged") -> Path | None:
    """Rename `path` to `<path>.<what>-<UTC time>`; return the new path, None if there is nothing. Raises `OSError`."""
    if not path.exists():
        return None
    stem = f"{path.name}.{what}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    number, target = 1, path.with_name(stem)
    while target.exists():
        number, target = number + 1, path.with_name(f"{stem}-{number}")
    return path.rename(target)
