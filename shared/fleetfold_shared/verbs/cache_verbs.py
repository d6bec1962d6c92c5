"""Verbs about the query cache."""

from __future__ import annotations

from fleetfold_shared.messages import (
    CacheClear,
    CacheCleared,
    CachePopular,
    CachePopularAsk,
    CacheStats,
    CacheStatsAsk,
    CacheWarm,
    CacheWarmed,
)
from fleetfold_shared.verbs.verb import OPERATORS, Verb, allow

__all__ = ["CLEAR", "POPULAR", "STATS", "WARM"]

STATS = Verb(
    "cache.stats", CacheStatsAsk, CacheStats, "Kept answers in figures.",
    roles=allow(OPERATORS), safe=True, idempotent=True,
)  # fmt: skip
POPULAR = Verb(
    "cache.popular", CachePopularAsk, CachePopular, "Show the questions asked most often.",
    roles=allow(OPERATORS), scope="fleet", safe=True, idempotent=True,
)  # fmt: skip
WARM = Verb(
    "cache.warm", CacheWarm, CacheWarmed, "Ask the most popular questions again, and keep the answers.",
    roles=allow(OPERATORS), scope="fleet", audit="committed", idempotent=True,
)  # fmt: skip
CLEAR = Verb(
    "cache.clear", CacheClear, CacheCleared, "Forget every cached answer.",
    roles=allow(OPERATORS), scope="fleet", audit="committed", idempotent=True,
)  # fmt: skip
