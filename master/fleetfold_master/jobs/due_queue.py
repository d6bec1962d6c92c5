"""When each job wants to be looked at again, so that those that only wait cost nothing."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf

__all__ = ["DueQueue"]

SLACK = 1000
"""So many entries beside those that count are no reason to tidy up."""


class DueQueue:
    """One time for each key, the earliest it was put down for. Times are Unix seconds."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def put(self, key: str, at: float) -> None:
        """Look at `key` at that time, or earlier if it was put down for that."""
        if at < self._at.get(key, inf):
            self._at[key] = at
            heappush(self._heap, (at, key))
            if len(self._heap) > 2 * len(self._at) + SLACK:
                self._tidy()

    def forget(self, key: str) -> None:
        """It is over."""
        self._at.pop(key, None)

    def due(self, now: float, most: int) -> list[str]:
        """The keys whose time has come, `most` of them and the earliest first; they are put down no more."""
        keys: list[str] = []
        while self._heap and self._heap[0][0] <= now and len(keys) < most:
            at, key = heappop(self._heap)
            if self._at.get(key) == at:
                del self._at[key]
                keys.append(key)
        return keys

    def _tidy(self) -> None:
        """Entries of what is over, or comes earlier, stay until their time; too many of them are thrown out."""
        self._heap = [(at, key) for key, at in self._at.items()]
        heapify(self._heap)
