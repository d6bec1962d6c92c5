"""Clocks that are passed in, so that tests control time."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """A clock: wall time for records, monotonic time for intervals, both in seconds."""

    def wall(self) -> float:
        """Return the seconds since the Unix epoch; may jump."""

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary start; never decreases."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock."""


class SystemClock:
    """The machine's own clock."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that moves only by `advance`; sleepers wake in order."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def wall(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    @property
    def sleepers(self) -> int:
        """Number of open `sleep` calls."""
        return sum(not woken.done() for _, woken in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Advance the clock by `seconds` and wake the sleepers that are due."""
        self._now += seconds
        due = sorted((item for item in self._sleepers if item[0] <= self._now), key=lambda item: item[0])
        self._sleepers = [item for item in self._sleepers if item[0] > self._now]
        for _, woken in due:
            if not woken.done():
                woken.set_result(None)
