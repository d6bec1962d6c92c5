"""Cached answers in the master's database, bounded in bytes, so that they survive a restart.

The index is in memory: a miss costs no read, and a search never waits for a write.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

from fleetfold_master.search.cache.cache_rows import CachedRow, cleared, gone, packed, read_entry, read_shelved, written
from fleetfold_master.search.cache.memory_store import Entry, is_fresh
from fleetfold_master.store.database import Store
from fleetfold_shared.clock import Clock

__all__ = ["TableStore"]

MOST_WAITING_BYTES = 16 * 1024 * 1024
"""Limit of answers waiting to be written, in bytes; more of them are cached in memory only."""


class TableStore:
    """Entries by key, for `lifetime_s` seconds each, `most_bytes` in all. `save` writes what was put since the last
    call."""

    def __init__(self, store: Store, clock: Clock, lifetime_s: float, most_bytes: int) -> None:
        self._store, self._clock, self._lifetime_s, self._most_bytes = store, clock, lifetime_s, most_bytes
        self._there: OrderedDict[str, CachedRow] = OrderedDict()
        self._waiting: dict[str, Entry] = {}
        self._waiting_bytes = 0
        self._writing = asyncio.Lock()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._there)

    async def load(self) -> None:
        """Load the index. Expired rows are deleted by the next `save`."""
        for row in await read_shelved(self._store):
            self._add(row)

    def has(self, key: str) -> bool:
        """Whether the entry is present and fresh."""
        row = self._there.get(key)
        return row is not None and self._is_fresh(row)

    async def get(self, key: str) -> Entry | None:
        """The entry, if present and fresh; it becomes the most recently used."""
        if not self.has(key):
            return None
        self._there.move_to_end(key)
        entry = await read_entry(self._store, key)
        return entry if entry is not None and is_fresh(entry.saved_at, self._clock.wall(), self._lifetime_s) else None

    def put(self, key: str, entry: Entry) -> None:
        """Have the entry written by the next `save`."""
        before = self._waiting.pop(key, None)
        self._waiting_bytes -= len(before.answer) if before else 0
        if self._waiting_bytes + len(entry.answer) <= MOST_WAITING_BYTES:
            self._waiting[key] = entry
            self._waiting_bytes += len(entry.answer)

    async def save(self) -> None:
        """Write waiting entries, and delete those expired or over the limit."""
        async with self._writing:
            entries, self._waiting, self._waiting_bytes = self._waiting, {}, 0
            values = await asyncio.to_thread(_packed, entries)
            rows = [CachedRow(key, len(values[key]), entry.saved_at) for key, entry in entries.items()]
            dropped = self._too_much(rows)
            remaining = {key: entry for key, entry in entries.items() if key not in dropped}
            if remaining or dropped:
                await self._store.write(gone(list(dropped)), *written(remaining, values))
            self._remember((row for row in rows if row.key in remaining), dropped)

    async def clear(self) -> int:
        """Delete all entries. Returns their number."""
        async with self._writing:
            self._waiting, self._waiting_bytes = {}, 0
            await self._store.write(cleared())
            before = len(self._there)
            self.forget()
        return before

    def forget(self) -> None:
        """Drop the index: another master has cleared the table."""
        self._waiting, self._waiting_bytes = {}, 0
        self._there.clear()
        self.bytes = 0

    def _too_much(self, new: Iterable[CachedRow]) -> set[str]:
        """The keys to evict for `new`: first expired ones, then the least recently used."""
        rows = {**self._there, **{row.key: row for row in new}}
        dropped = {key for key, row in rows.items() if not self._is_fresh(row)}
        left = sum(row.bytes for key, row in rows.items() if key not in dropped)
        for key, row in rows.items():
            if left <= self._most_bytes:
                break
            if key not in dropped:
                dropped.add(key)
                left -= row.bytes
        return dropped

    def _remember(self, rows: Iterable[CachedRow], dropped: Iterable[str]) -> None:
        for key in dropped:
            self._forget(key)
        for row in rows:
            self._add(row)

    def _add(self, row: CachedRow) -> None:
        self._forget(row.key)
        self._there[row.key] = row
        self.bytes += row.bytes

    def _forget(self, key: str) -> None:
        if (row := self._there.pop(key, None)) is not None:
            self.bytes -= row.bytes

    def _is_fresh(self, row: CachedRow) -> bool:
        return is_fresh(row.saved_at, self._clock.wall(), self._lifetime_s)


def _packed(entries: dict[str, Entry]) -> dict[str, bytes]:
    """Compress the answers, about 3 ms per MB; called in a thread."""
    return {key: packed(entry.answer) for key, entry in entries.items()}
