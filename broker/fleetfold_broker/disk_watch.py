"""Watch of one volume: tells once for each change that its space is low, full, or enough again."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from fleetfold_broker.disk_space import DiskSpace, Room, human_bytes
from fleetfold_shared.clock import Clock, SystemClock

__all__ = ["DiskWatch"]

log = structlog.get_logger(__name__)


class DiskWatch:
    """The volume whose `space` is read. Its changes are logged as events of `who`; `when_full` says what that means."""

    def __init__(self, who: str, space: Callable[[], DiskSpace], when_full: str, clock: Clock | None = None) -> None:
        self._who, self._space, self._when_full = who, space, when_full
        self._clock = clock or SystemClock()
        self._since = 0.0
        self.room: Room = "enough"
        self.said = ""
        """`low: 3.2 MiB of 32.0 MiB free` as of the last change; empty while there is enough."""

    def look(self) -> bool:
        """Read the space; return whether the volume is low, full or has enough since now."""
        try:
            space = self._space()
        except OSError as error:
            log.warning(f"{self._who}.disk_unreadable", reason=error.strerror)
            return False
        if space.room == self.room:
            return False
        self._tell(space)
        return True

    def _tell(self, space: DiskSpace) -> None:
        free, of = human_bytes(space.free), human_bytes(space.total)
        if space.room == "enough":
            log.warning(f"{self._who}.disk_has_room", free=free, of=of, after_s=round(self._clock.wall() - self._since))
        elif space.room == "low":
            log.warning(f"{self._who}.disk_low", free=free, of=of, advice="make room before it is full")
        else:
            log.error(f"{self._who}.disk_full", free=free, of=of, advice=f"make room; until then {self._when_full}")
        if self.room == "enough":
            self._since = self._clock.wall()
        self.room = space.room
        self.said = "" if space.room == "enough" else f"{space.room}: {free} of {of} free"
