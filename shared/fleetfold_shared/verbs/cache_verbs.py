"""Verbs about the query cache."""

from __future__ import annotations

from fleetfold_shared.messages import (
    CacheClear,
    CacheCleared,
    CachePopular,
    CachePopularRequest,
    CacheStats,
    CacheStatsRequest,
    CacheWarm,
    CacheWarmed,
)
from fleetfold_shared.verbs.verb import OPERATORS, Verb, allow

__all__ = ["CLEAR", "POPULAR", "STATS", "WARM"]

STATS = Verb(
    "cache.stats", CacheStatsRequest, CacheStats, "Statistics of the search cache.",
    roles=allow(OPERATORS), safe=True, idempotent=True,
)  # fmt: skip
POPULAR = Verb(
    "cache.popular", CachePopularRequest, CachePopular, "Show the questions asked most often.",
    roles=allow(OPERATORS), scope="fleet", safe=True, idempotent=True,
)  # fmt: skip
WARM = Verb(
    "cache.warm", CacheWarm, CacheWarmed, "Ask the most popular questions again, and keep the answers.",
    roles=allow(OPERATORS), scope="fleet", audit="committed", idempotent=True,
)  # fmt: skip
CLEAR = Verb(
    "cache.clear", CacheClear, CacheCleared, "Delete all cached answers.",
    roles=allow(OPERATORS), scope="fleet", audit="committed", idempotent=True,
)  # fmt: skip
