"""Moves the wall clock of this process by the seconds in the file that `$CHAOS_CLOCK` names; read again every 0.2 s.

The monotonic clock goes on as it did, as that of a machine whose date is set.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["CLOCK", "install"]

CLOCK = "CHAOS_CLOCK"
LOOK_S = 0.2


class _Offset:
    """The present offset in seconds."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._looked_at = -LOOK_S
        self._seconds = 0

    def seconds(self) -> int:
        now = time.monotonic()
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._seconds = int(self._file.read_text())
        return self._seconds


def install() -> None:
    """Replace `time.time` and `time.time_ns`, which all that this process imports later takes its wall time from."""
    offset, seconds, nanoseconds = _Offset(Path(os.environ[CLOCK])), time.time, time.time_ns
    time.time = lambda: seconds() + offset.seconds()
    time.time_ns = lambda: nanoseconds() + offset.seconds() * 1_000_000_000
