"""What the master says of the answers that it keeps."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fleetfold_shared.messages.base import Message

__all__ = [
    "CacheClear", "CacheCleared", "CachePopular", "CachePopularAsk", "CacheStats", "CacheStatsAsk", "CacheWarm",
    "CacheWarmed", "PopularQuery",
]  # fmt: skip


class CacheStatsAsk(Message, frozen=True, kw_only=True):
    """`cache.stats`."""


class CacheStats(Message, frozen=True, kw_only=True, omit_defaults=False):
    """Kept answers in figures, counted since `since` (Unix seconds), when this master started.

    `hits` were answered without asking a node, `shared` by the nodes' answers to an equal question of the same moment,
    `misses` by asking. `hit_rate` is hits and shared among all three, and `saved_ms` what a hit has spared on average;
    null when there was none. `entries` and `bytes` are of the table, the others of memory; `kept_s` is how long an
    answer is kept, 0 when none is.
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


class CachePopularAsk(Message, frozen=True, kw_only=True):
    """`cache.popular`."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 20


class PopularQuery(msgspec.Struct, frozen=True):
    """A question, how often it was asked and when last; with other filters or options it is another one."""

    query: str
    count: int
    asked_at: float


class CachePopular(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The questions asked most often, the most frequent first."""

    queries: list[PopularQuery]


class CacheWarm(Message, frozen=True, kw_only=True):
    """`cache.warm`: ask the `limit` most popular questions again, and keep the answers."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class CacheWarmed(Message, frozen=True, kw_only=True, omit_defaults=False):
    """How many were asked, and how many of their answers are kept now."""

    asked: int
    kept: int


class CacheClear(Message, frozen=True, kw_only=True):
    """`cache.clear`: forget every kept answer."""


class CacheCleared(Message, frozen=True, kw_only=True, omit_defaults=False):
    """How many there were."""

    entries: int
