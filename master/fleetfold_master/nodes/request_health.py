"""Health of nodes as their answers to requests show it: round-trip times and circuit breakers, and what presence is
told of them.
"""

from __future__ import annotations

from fleetfold_master.nodes.breakers import Breakers
from fleetfold_master.nodes.presence import Presence
from fleetfold_master.nodes.round_trip import RoundTripEstimator

__all__ = ["RequestHealth"]

BLAMED = frozenset({"unavailable", "deadline_exceeded", "internal", "overloaded"})
"""Error codes that are the node's fault. A node that rejects a request is healthy."""


class RequestHealth:
    """Records the outcome of each request to a node. Times are milliseconds in answers, otherwise seconds."""

    def __init__(self, presence: Presence, breakers: Breakers | None = None) -> None:
        self._presence = presence
        self.breakers = breakers or Breakers(presence.life)
        """The circuit breakers of all nodes."""
        self._round_trips: dict[str, RoundTripEstimator] = {}

    def round_trip(self, node: str) -> RoundTripEstimator:
        """The estimator of the node's round-trip time."""
        return self._round_trips.setdefault(node, RoundTripEstimator())

    def answered(self, node: str, ms: float) -> None:
        """Record an answer, in time or late."""
        self.round_trip(node).took(ms / 1000)
        self._presence.answered(node, ms)
        self.breakers.answered(node)

    def refused(self, node: str, ms: float, code: str | None, why: str) -> None:
        """Record an error as the answer: a failure if its `code` is in `BLAMED`, otherwise a sign of health."""
        if code in BLAMED:
            self.breakers.failed(node, ms / 1000, why)
        else:
            self.breakers.answered(node)
