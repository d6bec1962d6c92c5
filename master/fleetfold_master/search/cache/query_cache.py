"""The query cache: returns cached answers as long as the nodes would answer the same.

`cache_key` argues why a cached answer is never stale. Memory is looked up first, then the table; an answer in
neither is computed once, for all callers that request it at the same time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec.structs import replace

from fleetfold_master.events import Announce, CacheCleared, announce_to_nobody
from fleetfold_master.search.cache.cache_rows import questions, read_questions
from fleetfold_master.search.cache.cache_statistics import CacheStatistics
from fleetfold_master.search.cache.memory_store import Entry, MemoryStore
from fleetfold_master.search.cache.popular_queries import PopularQueries
from fleetfold_master.search.cache.table_store import TableStore
from fleetfold_master.search.merge.coverage import SETTLED
from fleetfold_master.store.database import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import SingleFlight
from fleetfold_shared.config import SearchConfig
from fleetfold_shared.messages import CacheStats, Search, Searched, decode, encode

__all__ = ["Cache", "CacheRequest"]

FULL_COVERAGE = 0.999_999

Compute = Callable[[], Awaitable[tuple[str | None, Searched]]]
"""Asks the nodes. Returns the answer, and the key that was valid when they were asked, if known."""


@dataclass(frozen=True, slots=True)
class CacheRequest:
    """A query with its key; None while too little is known. `started` is by `time.perf_counter`."""

    search: Search
    key: str | None
    started: float

    def took_ms(self) -> float:
        """Milliseconds since the query came."""
        return round((time.perf_counter() - self.started) * 1000, 3)


@dataclass(frozen=True, slots=True)
class _FlightResult:
    """The result of a flight. `complete`: a caller with more time would get the same."""

    searched: Searched
    complete: bool


class Cache:
    """Cached answers, in memory and in the table. The owner calls `load` once, `save` every few seconds, and `close`.

    A clearing is passed to `announce`, so no master has an old answer once the operator has theirs.
    """

    def __init__(
        self, store: Store, clock: Clock, config: SearchConfig, announce: Announce = announce_to_nobody
    ) -> None:
        self._store, self._clock, self._config, self._announce = store, clock, config, announce
        self._memory = MemoryStore(clock, config.cache_s, config.cache_memory_bytes)
        self._table = TableStore(store, clock, config.cache_s, config.cache_bytes)
        self._flights: SingleFlight[_FlightResult] = SingleFlight()
        self._statistics = CacheStatistics(clock.wall())
        self.popular = PopularQueries(clock, config.cache_queries)

    @property
    def enabled(self) -> bool:
        """Whether the cache is enabled."""
        return self._config.cache_s > 0

    async def load(self) -> None:
        """Load the index of the table, as an earlier master left it."""
        await self._table.load()
        self.popular.load(await read_questions(self._store))

    async def save(self) -> None:
        """Write new entries into the table."""
        await self._table.save()
        if (rows := self.popular.changes()) is not None:
            await self._store.write(*questions(rows))

    async def close(self) -> None:
        """Cancel the flights, and save."""
        await self._flights.close()
        await self.save()

    async def answer(self, request: CacheRequest, compute: Compute) -> Searched:
        """The cached answer if there is one, else the result of `compute`, which is cached if it is complete."""
        search, key = request.search, request.key
        if key is None or search.cache == "off" or search.explain or not self.enabled:
            return (await compute())[1]
        if search.cache == "refresh":
            return (await self._computed(request, compute)).searched
        if (entry := self._memory.get(key)) is not None:
            return self._hit(request, entry)
        loop = asyncio.get_running_loop()
        until = loop.time() + search.timeout_ms / 1000 - request.took_ms() / 1000
        if (follow := self._flights.following(key, until)) is not None:
            return await self._shared(request, compute, follow)
        task = loop.create_task(self._computed(request, compute, stored=key))
        return (await self._flights.lead(key, until, task)).searched

    def complete(self, key: str, searched: Searched, cost_ms: float) -> bool:
        """Cache `searched` under `key`, which was valid when its nodes were asked. Returns whether it was complete.

        This holds as well for an answer completed by late shard responses, after its caller was answered: its
        documents are no older than the key, whenever the last of them arrive.
        """
        if not _is_complete(searched):
            return False
        entry = Entry(encode(searched), self._clock.wall(), cost_ms)
        self._memory.put(key, entry)
        self._table.put(key, entry)
        return True

    async def clear(self) -> int:
        """Delete every cached answer. Returns their number."""
        there = len(self._memory)
        self._memory.clear()
        cleared = await self._table.clear()
        await self._announce(CacheCleared())
        return max(there, cleared)

    def forget(self) -> None:
        """Drop all entries from memory, after another master has cleared the table."""
        self._memory.clear()
        self._table.forget()

    def stats(self) -> CacheStats:
        """The statistics as of now."""
        counted = self._statistics
        return CacheStats(
            since=counted.since, hits=counted.hits, shared=counted.shared, misses=counted.misses,
            hit_rate=counted.hit_rate, saved_ms=counted.mean_saved_ms, entries=len(self._table),
            bytes=self._table.bytes, memory_entries=len(self._memory), memory_bytes=self._memory.bytes,
            kept_s=self._config.cache_s,
        )  # fmt: skip

    async def _shared(
        self, request: CacheRequest, compute: Compute, follow: Callable[[], Awaitable[_FlightResult | None]]
    ) -> Searched:
        """Wait for another caller's flight; if its answer is not complete, compute: this caller may have more time."""
        landed = await follow()
        if landed is None or not landed.complete:
            return (await self._computed(request, compute)).searched
        self._statistics.shared += 1
        return replace(landed.searched, took_ms=request.took_ms())

    async def _computed(self, request: CacheRequest, compute: Compute, stored: str | None = None) -> _FlightResult:
        """The answer that the table has under the key `stored`, else the result of `compute`."""
        if stored is not None and (entry := await self._table.get(stored)) is not None:
            self._memory.put(stored, entry)
            return _FlightResult(self._hit(request, entry), complete=True)
        self._statistics.misses += 1
        began = time.perf_counter()
        key, searched = await compute()
        cost_ms = (time.perf_counter() - began) * 1000
        hasty = cost_ms > request.search.timeout_ms / 2  # highlights and deduplicated pages are cut when time is short
        complete = not hasty and _is_complete(searched)
        if complete and key is not None:
            self.complete(key, searched, cost_ms)
        return _FlightResult(searched, complete)

    def _hit(self, request: CacheRequest, entry: Entry) -> Searched:
        searched = decode(entry.answer, Searched)
        took_ms = request.took_ms()
        self._statistics.hit(entry.cost_ms, took_ms)
        age_s = round(max(0.0, self._clock.wall() - entry.saved_at), 1)
        return replace(searched, took_ms=took_ms, cached=True, age_s=age_s)


def _is_complete(searched: Searched) -> bool:
    """Whether nothing is missing from the answer."""
    settled = all(report.status in SETTLED or report.status == "stopped" for report in searched.nodes)
    return settled and not searched.partial and searched.coverage >= FULL_COVERAGE
