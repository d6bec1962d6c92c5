"""Client calls about the query cache."""

from __future__ import annotations

from fleetfold.caller import ANSWER_S, Caller
from fleetfold_shared.messages import (
    CacheClear,
    CacheCleared,
    CachePopular,
    CachePopularAsk,
    CacheStats,
    CacheStatsAsk,
    CacheWarm,
    CacheWarmed,
    PopularQuery,
)  # fmt: skip

__all__ = ["CacheCalls"]

WARM_S = 2.0
"""What each question may take."""


class CacheCalls(Caller):
    """The part of a `Client` that operates the query cache. It needs the role operator or admin."""

    async def cache_stats(self) -> CacheStats:
        """Hits, misses, sizes, and what was saved, since the master's start."""
        return await self._ask("cache.stats", CacheStatsAsk(), CacheStats)

    async def popular_queries(self, limit: int = 20) -> list[PopularQuery]:
        """The questions asked most often (1-1000), the most frequent first."""
        return (await self._ask("cache.popular", CachePopularAsk(limit=limit), CachePopular)).queries

    async def warm_cache(self, limit: int = 20) -> CacheWarmed:
        """Have the most popular questions (1-100) asked again, and their answers kept."""
        return await self._ask("cache.warm", CacheWarm(limit=limit), CacheWarmed, limit * WARM_S + ANSWER_S)

    async def clear_cache(self) -> int:
        """Forget every kept answer; how many there were."""
        return (await self._ask("cache.clear", CacheClear(), CacheCleared)).entries
