"""The query cache: `fleet.cache`."""

from __future__ import annotations

import builtins

from fleetfold.caller import ANSWER_S, Caller
from fleetfold_shared import verbs
from fleetfold_shared.messages import (
    CacheClear,
    CachePopularRequest,
    CacheStats,
    CacheStatsRequest,
    CacheWarm,
    CacheWarmed,
    PopularQuery,
)  # fmt: skip

__all__ = ["Cache"]

WARM_S = 2.0
"""Seconds allowed for each query."""


class Cache:
    """The masters' query cache. Requires the role operator or admin."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def stats(self) -> CacheStats:
        """Get hits, misses, sizes and the time saved, since the master's start."""
        return await self._caller.ask(verbs.cache.STATS, CacheStatsRequest())

    async def popular(self, limit: int = 20) -> builtins.list[PopularQuery]:
        """List the `limit` (1-1000) most frequent queries, the most frequent first."""
        return (await self._caller.ask(verbs.cache.POPULAR, CachePopularRequest(limit=limit))).queries

    async def warm(self, limit: int = 20) -> CacheWarmed:
        """Run the `limit` (1-100) most frequent queries again, and cache their answers."""
        return await self._caller.ask(verbs.cache.WARM, CacheWarm(limit=limit), limit * WARM_S + ANSWER_S)

    async def clear(self) -> int:
        """Delete all cached answers. Returns their number."""
        return (await self._caller.ask(verbs.cache.CLEAR, CacheClear())).entries
