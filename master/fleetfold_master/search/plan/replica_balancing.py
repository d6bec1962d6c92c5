"""Balancing strategies of replicated collections: the order in which the holders of one group are asked. Pure.

A further strategy is a class here, given to `ReplicaSelector` where the search is wired.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from fleetfold_master.search.plan.target_nodes import Key

__all__ = ["BalancingStrategy", "ReplicaPerformance", "WeightedRendezvous"]

SLOW_TIMES = 2.0
SLOW_MS = 5.0
"""A holder is slow if it takes more than this factor times as long as the fastest, and this many ms more."""
TRIED_EACH = 16
"""One in so many queries goes to a slow holder all the same, to find out whether it is fast again."""


@dataclass(frozen=True, slots=True)
class ReplicaPerformance:
    """A holder's performance: moving average of its latency in ms, requests in flight and their limit, weight.

    `open` if its circuit breaker is: it is asked only if all holders' are.
    """

    response_ms: float | None = None
    in_flight: int = 0
    concurrency: int = 16
    weight: float = 1.0
    open: bool = False

    @property
    def cost_ms(self) -> float:
        """Expected latency in ms. A node that was never asked counts as fast, so that it is tried."""
        return (self.response_ms or 0.0) * (1 + self.in_flight / self.concurrency)


class BalancingStrategy(Protocol):
    """Orders the holders of one group for one query."""

    def order(self, query: str, holders: Sequence[Key], standings: Mapping[str, ReplicaPerformance]) -> list[Key]:
        """The holders, the one to ask first in front. `standings` are by node; equal arguments give an equal order."""


class WeightedRendezvous:
    """Weighted rendezvous hashing (Thaler & Ravishankar 1998) among the holders that perform well.

    The same query goes to the same holder as long as it performs well, and when one leaves only its own queries move.
    """

    def order(self, query: str, holders: Sequence[Key], standings: Mapping[str, ReplicaPerformance]) -> list[Key]:
        """The holders with closed breakers first, then the fast ones, then by rendezvous."""
        known = {node: standings.get(node, ReplicaPerformance()) for node, _ in holders}
        bound = min(one.cost_ms for one in known.values()) * SLOW_TIMES + SLOW_MS
        tries = _hash(query, "") < 1 / TRIED_EACH

        def place(key: Key) -> tuple[bool, bool, float, Key]:
            one = known[key[0]]
            slow = one.cost_ms > bound and not tries
            return one.open, slow, _distance(query, key[0], one.weight), key

        return sorted(holders, key=place)


def _distance(query: str, node: str, weight: float) -> float:
    """The smallest wins; each node wins a share of all queries in proportion to its weight."""
    return -math.log(_hash(query, node)) / weight


def _hash(query: str, node: str) -> float:
    """A uniform hash in (0, 1]."""
    digest = blake2b(f"{node}\0{query}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest) + 1) / 2**64
