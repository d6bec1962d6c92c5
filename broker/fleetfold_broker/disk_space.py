"""Free space of a volume, and when it counts as low or full."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple

__all__ = ["FULL_BYTES", "DiskSpace", "Room", "human_bytes"]

Room = Literal["enough", "low", "full"]

FULL_BYTES = 4 * 1024**2
"""With less than this free, a volume counts as full: a store needs some megabytes to write and clean up."""
LOW_SHARE, LOW_BYTES = 0.05, 1024**3
"""A volume is low below 5% of its size, at most below 1 GiB."""


class DiskSpace(NamedTuple):
    """Bytes of one volume: `free` to this process, and `total`."""

    free: int
    total: int

    @classmethod
    def of(cls, path: Path) -> DiskSpace:
        """Return the space of the volume that holds `path`. Raises `OSError` when it cannot be read."""
        found = os.statvfs(path)
        free = found.f_bavail * found.f_frsize
        no_files = found.f_files > 0 and found.f_favail == 0  # no inode is left: no file can be created
        return cls(0 if no_files else free, found.f_blocks * found.f_frsize)

    @property
    def room(self) -> Room:
        """Whether there is enough space, little, or none to work with."""
        if self.free < FULL_BYTES:
            return "full"
        return "low" if self.free < min(self.total * LOW_SHARE, LOW_BYTES) else "enough"


def human_bytes(count: int) -> str:
    """Return `count` in the largest binary unit that keeps it above 1, such as `3.2 MiB`."""
    size, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"
