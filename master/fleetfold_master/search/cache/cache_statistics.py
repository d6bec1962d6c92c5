"""Statistics of the query cache since the master's start."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CacheStatistics"]


@dataclass(slots=True)
class CacheStatistics:
    """Counts of how queries were answered. Those with `cache=off` or `explain` are not counted."""

    since: float
    hits: int = 0
    shared: int = 0
    misses: int = 0
    saved_ms: float = 0.0

    def hit(self, cost_ms: float, took_ms: float) -> None:
        """Count a hit, answered in `took_ms`, that had cost `cost_ms`."""
        self.hits += 1
        self.saved_ms += max(0.0, cost_ms - took_ms)

    @property
    def hit_rate(self) -> float | None:
        """The share of queries that needed no node; None before the first."""
        total = self.hits + self.shared + self.misses
        return (self.hits + self.shared) / total if total else None

    @property
    def mean_saved_ms(self) -> float | None:
        """The mean time in milliseconds that a hit saved; None before the first."""
        return self.saved_ms / self.hits if self.hits else None
