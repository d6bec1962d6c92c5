"""`cache.<verb>`: statistics, clearing and warming of the query cache."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.audit_target import AuditSubject
from fleetfold_master.api.binding import Binding
from fleetfold_master.search import Cache, Federation
from fleetfold_shared import verbs
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import (
    CacheClear,
    CacheCleared,
    CachePopular,
    CachePopularRequest,
    CacheStats,
    CacheStatsRequest,
    CacheWarm,
    CacheWarmed,
    PopularQuery,
    Search,
)  # fmt: skip

__all__ = ["CacheVerbs"]

WARM_MS = 2000
"""Time limit in milliseconds for each query that is run again."""


class CacheVerbs:
    """The handlers. All but the statistics concern every caller's queries, so callers with scopes may not use them."""

    def __init__(self, cache: Cache, federation: Federation) -> None:
        self._cache, self._federation = cache, federation

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (
            Binding(verbs.cache.STATS, self._stats),
            Binding(verbs.cache.POPULAR, self._popular),
            Binding(verbs.cache.WARM, self._warm, _touches_all),
            Binding(verbs.cache.CLEAR, self._clear, _touches_all),
        )

    async def _stats(self, _ask: CacheStatsRequest, _who: Principal) -> CacheStats:
        return self._cache.stats()

    async def _popular(self, ask: CachePopularRequest, who: Principal) -> CachePopular:
        who.need_whole_fleet(verbs.cache.POPULAR)
        best = self._cache.popular.best(ask.limit)
        return CachePopular(queries=[PopularQuery(one.asked.query[:200], one.count, one.asked_at) for one in best])

    async def _warm(self, ask: CacheWarm, who: Principal) -> CacheWarmed:
        """Run popular queries again, each with its own scopes. Queries that are no longer valid are skipped."""
        who.need_whole_fleet(verbs.cache.WARM)
        stored = 0
        questions = self._cache.popular.best(ask.limit)
        for one in questions:
            narrowed = replace(one.narrowed, cache="refresh", timeout_ms=WARM_MS)
            stored += await self._asked_again(narrowed, one.asked)
        return CacheWarmed(asked=len(questions), kept=stored)

    async def _asked_again(self, narrowed: Search, asked: Search) -> bool:
        """Run one query again. Returns whether its answer is cached now."""
        try:
            found = await self._federation.search(narrowed, asked)
        except FleetfoldError:
            return False
        return self._cache.enabled and not found.partial

    async def _clear(self, _ask: CacheClear, who: Principal) -> CacheCleared:
        who.need_whole_fleet(verbs.cache.CLEAR)
        return CacheCleared(entries=await self._cache.clear())


def _touches_all(_ask: object, _answer: object) -> AuditSubject:
    return AuditSubject()
