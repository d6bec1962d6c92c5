"""The due queue: when each job must be looked at next, so that waiting jobs cost nothing per sweep."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf

__all__ = ["DueQueue"]

SLACK = 1000
"""Stale entries beyond the live ones that are tolerated before a clean-up."""


class DueQueue:
    """A priority queue with one time per key, the earliest that was put. Times are Unix seconds."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def put(self, key: str, at: float) -> None:
        """Make `key` due at `at`, or earlier if it already is."""
        if at < self._at.get(key, inf):
            self._at[key] = at
            heappush(self._heap, (at, key))
            if len(self._heap) > 2 * len(self._at) + SLACK:
                self._tidy()

    def forget(self, key: str) -> None:
        """Remove the key."""
        self._at.pop(key, None)

    def due(self, now: float, most: int) -> list[str]:
        """Remove and return due keys, the earliest first, `most` at a time."""
        keys: list[str] = []
        while self._heap and self._heap[0][0] <= now and len(keys) < most:
            at, key = heappop(self._heap)
            if self._at.get(key) == at:
                del self._at[key]
                keys.append(key)
        return keys

    def _tidy(self) -> None:
        """Rebuild the heap when it holds too many stale entries, which otherwise stay until their time."""
        self._heap = [(at, key) for key, at in self._at.items()]
        heapify(self._heap)
