"""Cached answers in memory, bounded in bytes, with least-recently-used eviction."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from fleetfold_shared.clock import Clock

__all__ = ["Entry", "MemoryStore", "is_fresh"]

ENTRY_BYTES = 300
"""Approximate overhead of an entry in bytes, beside its answer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer as JSON, its time (Unix seconds), and its cost in milliseconds."""

    answer: bytes
    saved_at: float
    cost_ms: float


def is_fresh(saved_at: float, now: float, lifetime_s: float) -> bool:
    """Whether an answer may still be returned. One with a future time was cached before the clock was set back."""
    return 0 <= now - saved_at < lifetime_s


class MemoryStore:
    """Entries by key, for `lifetime_s` seconds each, `most_bytes` in all."""

    def __init__(self, clock: Clock, lifetime_s: float, most_bytes: int) -> None:
        self._clock, self._lifetime_s, self._most_bytes = clock, lifetime_s, most_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """The entry, if present and fresh; it becomes the most recently used."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if not is_fresh(entry.saved_at, self._clock.wall(), self._lifetime_s):
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """Add the entry, unless it alone exceeds the limit."""
        self._drop(key)
        if _size(entry) > self._most_bytes:
            return
        self._entries[key] = entry
        self.bytes += _size(entry)
        while self.bytes > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()
        self.bytes = 0

    def _drop(self, key: str) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self.bytes -= _size(entry)


def _size(entry: Entry) -> int:
    return len(entry.answer) + ENTRY_BYTES
