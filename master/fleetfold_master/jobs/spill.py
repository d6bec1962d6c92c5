"""Jobs that wait for a node that is away, when there are very many of them: on the disk, and all but out of memory.

A hundred thousand commands for a dead node are then a hundred thousand short entries here. They are read again when
the node is back, when their time is over, or when somebody asks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from heapq import heappop, heappush
from typing import NamedTuple

__all__ = ["MOST_IN_MEMORY", "JobSpill", "SpilledJob"]

MOST_IN_MEMORY = 20_000
"""Running jobs; of more than these, those that only wait are put away."""


class SpilledJob(NamedTuple):
    """A job by its id, when it is to have ended (Unix seconds), and the node that it waits for. `stored`: the broker
    has its command.
    """

    over_at: float
    key: str
    node: str
    stored: bool


class JobSpill:
    """What was put away, by the node that it waits for. An entry may be of a job that is in memory again, or over."""

    def __init__(self) -> None:
        self._heaps: defaultdict[str, list[SpilledJob]] = defaultdict(list)

    def __bool__(self) -> bool:
        return bool(self._heaps)

    def put(self, entry: SpilledJob) -> None:
        """Put a job away."""
        heappush(self._heaps[entry.node], entry)

    def over(self, now: float, most: int) -> list[SpilledJob]:
        """Those whose time is over, `most` of them; they are here no more."""
        found: list[SpilledJob] = []
        for node in list(self._heaps):
            while len(found) < most and node in self._heaps and self._heaps[node][0].over_at <= now:
                found.append(self._pop(node))
        return found

    def of(self, node: str, most: int) -> list[SpilledJob]:
        """Those that wait for `node`, `most` of them, the first to be over first; they are here no more."""
        return [self._pop(node) for _ in range(min(most, len(self._heaps.get(node, ()))))]

    def ready(self, healthy: Callable[[str], bool], most: int) -> list[SpilledJob]:
        """Those whose node is back, `most` of each; they are here no more."""
        return [entry for node in list(self._heaps) if healthy(node) for entry in self.of(node, most)]

    def everything(self) -> list[SpilledJob]:
        """All of it; nothing is here any more."""
        return [entry for node in list(self._heaps) for entry in self.of(node, len(self._heaps[node]))]

    def _pop(self, node: str) -> SpilledJob:
        entry = heappop(self._heaps[node])
        if not self._heaps[node]:
            del self._heaps[node]
        return entry
