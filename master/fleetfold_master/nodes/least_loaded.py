"""Least-loaded choice of a node: the fewest commands in flight relative to its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from fleetfold_shared.messages import NodeRecord

__all__ = ["LeastLoaded"]


@dataclass(slots=True)
class _Given:
    """The commands assigned to a node since its heartbeat of `seen_at`, and the sequence number of its last choice."""

    seen_at: float | None
    runs: int = 0
    last: int = 0


class LeastLoaded:
    """Remembers its own assignments, because heartbeats report a node's load only every five seconds.

    Healthy nodes come first, then the lowest load by weight, then the node chosen longest ago.
    """

    def __init__(self) -> None:
        self._given: dict[str, _Given] = {}
        self._turns = count(1)

    def choose(self, nodes: Sequence[NodeRecord]) -> NodeRecord:
        """Choose one of `nodes`, which must not be empty."""
        chosen = min(nodes, key=self._burden)
        given = self._of(chosen)
        given.runs += 1
        given.last = next(self._turns)
        return chosen

    def _burden(self, node: NodeRecord) -> tuple[bool, float, int]:
        given = self._of(node)
        load = (node.in_flight + given.runs + 1) / node.description.weight
        return not node.healthy, load, given.last

    def _of(self, node: NodeRecord) -> _Given:
        given = self._given.setdefault(node.name, _Given(node.last_seen_at))
        if given.seen_at != node.last_seen_at:
            given.seen_at, given.runs = node.last_seen_at, 0
        return given
