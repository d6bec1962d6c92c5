"""Jobs spilled to disk: when very many wait for absent nodes, only a short entry of each stays in memory.

They are loaded again when the node is back, when their time is over, or when a caller asks for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from heapq import heappop, heappush
from typing import NamedTuple

__all__ = ["MOST_IN_MEMORY", "JobSpill", "SpilledJob"]

MOST_IN_MEMORY = 20_000
"""Running jobs kept in memory; beyond that, waiting jobs are spilled."""


class SpilledJob(NamedTuple):
    """A spilled job: its id, deadline (Unix seconds) and node. `stored`: the broker has its command."""

    over_at: float
    key: str
    node: str
    stored: bool


class JobSpill:
    """Entries of spilled jobs by node. An entry may be stale: its job may be in memory again, or have ended."""

    def __init__(self) -> None:
        self._heaps: defaultdict[str, list[SpilledJob]] = defaultdict(list)

    def __bool__(self) -> bool:
        return bool(self._heaps)

    def put(self, entry: SpilledJob) -> None:
        """Add a job."""
        heappush(self._heaps[entry.node], entry)

    def over(self, now: float, most: int) -> list[SpilledJob]:
        """Remove and return at most `most` entries whose time is over."""
        found: list[SpilledJob] = []
        for node in list(self._heaps):
            while len(found) < most and node in self._heaps and self._heaps[node][0].over_at <= now:
                found.append(self._pop(node))
        return found

    def of(self, node: str, most: int) -> list[SpilledJob]:
        """Remove and return at most `most` entries of `node`, earliest deadline first."""
        return [self._pop(node) for _ in range(min(most, len(self._heaps.get(node, ()))))]

    def ready(self, healthy: Callable[[str], bool], most: int) -> list[SpilledJob]:
        """Remove and return entries of nodes that are healthy again, at most `most` of each."""
        return [entry for node in list(self._heaps) if healthy(node) for entry in self.of(node, most)]

    def everything(self) -> list[SpilledJob]:
        """Remove and return all entries."""
        return [entry for node in list(self._heaps) for entry in self.of(node, len(self._heaps[node]))]

    def _pop(self, node: str) -> SpilledJob:
        entry = heappop(self._heaps[node])
        if not self._heaps[node]:
            del self._heaps[node]
        return entry
