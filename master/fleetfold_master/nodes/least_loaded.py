"""Any one node that can: who has least to do for its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from fleetfold_shared.messages import NodeRecord

__all__ = ["LeastLoaded"]


@dataclass(slots=True)
class _Given:
    """What a node was given since its heartbeat `seen_at`, and which choice in all was its last."""

    seen_at: float | None
    runs: int = 0
    last: int = 0


class LeastLoaded:
    """Remembers what it has given to whom: a heartbeat tells how much a node has to do, but comes every five seconds.

    Healthy nodes before others, then the fewest in flight by weight, then the one whose last turn is longest ago.
    """

    def __init__(self) -> None:
        self._given: dict[str, _Given] = {}
        self._turns = count(1)

    def choose(self, nodes: Sequence[NodeRecord]) -> NodeRecord:
        """One of `nodes`, of which there must be one."""
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
