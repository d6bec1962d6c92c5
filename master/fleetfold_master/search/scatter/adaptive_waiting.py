"""Adaptive waiting: how long one search waits, and for which nodes. Pure; times are seconds since the search began.

All nodes are waited for until the deadline, unless the caller accepts partial answers. Then, once most of the
expected relevance has arrived (or failed permanently), the rest gets as long again as it took so far, at least a
tenth of a second, and in any case what such a node usually takes. (Vespa calls this adaptive timeouts, and the
share coverage: docs.vespa.ai, "Graceful query coverage degradation".)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fleetfold_master.nodes.round_trip import RoundTripEstimator

__all__ = ["ENOUGH", "LEAST_WAIT_S", "AdaptiveWaiting", "PendingNode"]

ENOUGH = 0.8
"""The share of the expected relevance after which the rest is not waited for until the deadline: one of five may be
missing.
"""
LEAST_WAIT_S = 0.1
"""Minimum wait in seconds, so that a pause of the machine does not exclude a healthy node."""
MOST_WAIT = 0.5
"""The part of the deadline that a node's usual slowness may take."""
TRIAL_WAIT_S = 0.005
_ROUNDING = 1e-9


@dataclass(slots=True, eq=False)
class PendingNode:
    """A request to `node`, which has a `share` of the expected relevance; `asked` is its time, None before it is sent.

    A `trial` goes to a node that has failed before: its answer is not relied on.
    """

    node: str
    share: float
    trial: bool = False
    asked: float | None = None
    answered: bool = False
    failed: bool = False

    @property
    def settled(self) -> bool:
        """Whether no answer is outstanding any more."""
        return self.answered or self.failed

    @property
    def running(self) -> bool:
        """Whether the node has been asked and has not answered."""
        return self.asked is not None and not self.settled


class AdaptiveWaiting:
    """Decides at each moment which nodes to ask, and how long to wait. `round_trip` gives a node's estimator."""

    def __init__(
        self,
        pending: Iterable[PendingNode],
        timeout_s: float,
        round_trip: Callable[[str], RoundTripEstimator],
        *,
        patient: bool,
        max_parallel: int | None = None,
    ) -> None:
        self.pending = sorted(pending, key=lambda one: (one.trial, -one.share))
        self._by_node = {one.node: one for one in self.pending}
        self._timeout_s, self._round_trip, self._patient = timeout_s, round_trip, patient
        self._room = max_parallel or math.inf
        self._last = self._enough_at = 0.0
        self._enough = False

    def due(self, now: float) -> list[str]:
        """The nodes to ask now; they count as asked."""
        room = self._room - sum(self._abandoned_at(one) > now for one in self.pending if one.running)
        chosen: list[str] = []
        for pending in self.pending:
            if pending.asked is None and len(chosen) + 1 <= room:
                pending.asked = now
                chosen.append(pending.node)
        return chosen

    def answered(self, node: str, now: float, *, good: bool) -> bool:
        """Record that the node answered, or failed permanently. Returns whether that changes what to do next."""
        pending = self._by_node[node]
        pending.answered, pending.failed = good, not good
        self._last = now
        before, self._enough = self._enough, self._is_enough()
        if self._enough and not before:
            self._enough_at = now
        return self._enough != before or self._room < math.inf or self._settled()

    def until(self, now: float) -> float | None:
        """The latest time of the next decision; None if nothing is waited for."""
        end = self.end()
        if end <= now:
            return None
        waits = self.pending if self._room < math.inf else []
        return min([end, *(moment for one in waits if one.running and (moment := self._abandoned_at(one)) > now)])

    def end(self) -> float:
        """The end of waiting, as of now."""
        left = [one for one in self.pending if not one.settled]
        if not left:
            return 0.0
        if all(one.trial for one in left):
            return self._trials_end()
        unasked = any(one.asked is None for one in left)
        if self._patient or unasked or not self._enough:
            return self._timeout_s
        usual = max(self._usual_end(one) for one in left if not one.trial)
        longest = max(2 * self._enough_at, self._enough_at + LEAST_WAIT_S, min(usual, MOST_WAIT * self._timeout_s))
        return min(self._timeout_s, longest)

    def _trials_end(self) -> float:
        """The end of waiting for trials: a moment longer than the others took; without others, half of the time."""
        if all(one.trial for one in self.pending):
            return MOST_WAIT * self._timeout_s
        return min(self._timeout_s, max(2 * self._last, self._last + TRIAL_WAIT_S))

    def _abandoned_at(self, pending: PendingNode) -> float:
        """The time from which a silent node delays no other; its answer still counts."""
        if self._patient:
            return self._timeout_s
        usual = max(LEAST_WAIT_S, self._round_trip(pending.node).usual)
        return (pending.asked or 0.0) + min(usual, MOST_WAIT * self._timeout_s)

    def _usual_end(self, pending: PendingNode) -> float:
        return (pending.asked or 0.0) + self._round_trip(pending.node).usual

    def _is_enough(self) -> bool:
        counted = [one for one in self.pending if not one.trial and not one.failed]
        have = sum(one.share for one in counted if one.answered)
        return have + _ROUNDING >= ENOUGH * sum(one.share for one in counted)

    def _settled(self) -> bool:
        return all(one.settled or one.trial for one in self.pending)
