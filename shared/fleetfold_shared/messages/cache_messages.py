"""Messages about the cache of search answers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message

__all__ = [
    "CacheClear", "CacheCleared", "CachePopular", "CachePopularRequest", "CacheStats", "CacheStatsRequest", "CacheWarm",
    "CacheWarmed", "PopularQuery",
]  # fmt: skip


class CacheStatsRequest(Message, frozen=True, kw_only=True):
    """`cache.stats`: return the cache's statistics."""


class CacheStats(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Cache statistics, counted since `since` (Unix seconds), the master's start.

    `hits` were answered without asking a node, `shared` by joining an equal search under way, `misses` by asking nodes.
    `hit_rate` is the share of hits and shared among all three, `saved_ms` the mean time saved by a hit; null when there
    was none. `entries` and `bytes` are of the database table, the others of memory; `kept_s` is the lifetime of an
    answer, 0 when none is cached.
    """

    since: float
    hits: int
    shared: int
    misses: int
    hit_rate: float | None
    saved_ms: float | None
    entries: int
    bytes: int
    memory_entries: int
    memory_bytes: int
    kept_s: float


class CachePopularRequest(Message, frozen=True, kw_only=True):
    """`cache.popular`: list the most frequent searches."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 20


class PopularQuery(msgspec.Struct, frozen=True):
    """A search, its number of requests and the time of the last one; other filters or options make another entry."""

    query: str
    count: int
    asked_at: float


class CachePopular(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The most frequent searches, most frequent first."""

    queries: list[PopularQuery]


class CacheWarm(Message, frozen=True, kw_only=True):
    """`cache.warm`: repeat the `limit` most frequent searches and cache their answers."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class CacheWarmed(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Number of searches repeated, and of answers cached."""

    asked: int
    kept: int


class CacheClear(Message, frozen=True, kw_only=True):
    """`cache.clear`: delete all cached answers."""


class CacheCleared(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Number of deleted answers."""

    entries: int
