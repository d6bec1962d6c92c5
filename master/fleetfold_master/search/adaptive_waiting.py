"""How long one search waits, and for whom: pure, in seconds since it began.

All nodes are waited for until the deadline, unless the caller allows to go without some. Then, once most of what is
expected to be relevant has come (or failed for good), the rest gets as long again as it took so far, a tenth of a
second at least, and what such a node usually takes in any case. (Vespa calls it adaptive timeouts, and the share
coverage: docs.vespa.ai, "Graceful query coverage degradation".)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fleetfold_master.nodes.round_trip import RoundTripEstimator

__all__ = ["ENOUGH", "LEAST_WAIT_S", "Question", "Waiting"]

ENOUGH = 0.8
"""The share of the expected relevance after which the rest is not waited for until the deadline: one of five may be
missing."""
LEAST_WAIT_S = 0.1
"""A pause of the machine must not cost a healthy node its place."""
MOST_WAIT = 0.5
"""The part of the deadline that a node's usual slowness may cost."""
TRIAL_WAIT_S = 0.005
_ROUNDING = 1e-9


@dataclass(slots=True, eq=False)
class Question:
    """What is asked of `node`, which has a `share` of all that is expected; `asked` is when.

    A `trial` is for a node that has failed before: it is not counted on.
    """

    node: str
    share: float
    trial: bool = False
    asked: float | None = None
    answered: bool = False
    failed: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come."""
        return self.answered or self.failed

    @property
    def running(self) -> bool:
        """Whether the node has been asked and has said nothing yet."""
        return self.asked is not None and not self.settled


class Waiting:
    """Decides at each moment whom to ask, and until when to wait. `pace` is how fast a node is known to be."""

    def __init__(
        self,
        questions: Iterable[Question],
        timeout_s: float,
        pace: Callable[[str], RoundTripEstimator],
        *,
        patient: bool,
        max_parallel: int | None = None,
    ) -> None:
        self.questions = sorted(questions, key=lambda one: (one.trial, -one.share))
        self._by_node = {one.node: one for one in self.questions}
        self._timeout_s, self._pace, self._patient = timeout_s, pace, patient
        self._room = max_parallel or math.inf
        self._last = self._enough_at = 0.0
        self._enough = False

    def due(self, now: float) -> list[str]:
        """Whom to ask now; they count as asked."""
        room = self._room - sum(self._given_up(one) > now for one in self.questions if one.running)
        chosen: list[str] = []
        for question in self.questions:
            if question.asked is None and len(chosen) + 1 <= room:
                question.asked = now
                chosen.append(question.node)
        return chosen

    def came(self, node: str, now: float, *, good: bool) -> bool:
        """The node has answered, or failed for good; whether that changes what to do next."""
        question = self._by_node[node]
        question.answered, question.failed = good, not good
        self._last = now
        before, self._enough = self._enough, self._is_enough()
        if self._enough and not before:
            self._enough_at = now
        return self._enough != before or self._room < math.inf or self._settled()

    def until(self, now: float) -> float | None:
        """When to look again at the latest; `None` when the search has all that it waits for."""
        end = self.end()
        if end <= now:
            return None
        waits = self.questions if self._room < math.inf else []
        return min([end, *(moment for one in waits if one.running and (moment := self._given_up(one)) > now)])

    def end(self) -> float:
        """When nobody is waited for any more, as it looks now."""
        left = [one for one in self.questions if not one.settled]
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
        """Who is only tried may add a moment to what the others took; where there are no others, half of the time."""
        if all(one.trial for one in self.questions):
            return MOST_WAIT * self._timeout_s
        return min(self._timeout_s, max(2 * self._last, self._last + TRIAL_WAIT_S))

    def _given_up(self, question: Question) -> float:
        """From when on one that is silent holds up no other; its answer counts all the same."""
        if self._patient:
            return self._timeout_s
        usual = max(LEAST_WAIT_S, self._pace(question.node).usual)
        return (question.asked or 0.0) + min(usual, MOST_WAIT * self._timeout_s)

    def _usual_end(self, question: Question) -> float:
        return (question.asked or 0.0) + self._pace(question.node).usual

    def _is_enough(self) -> bool:
        counted = [one for one in self.questions if not one.trial and not one.failed]
        have = sum(one.share for one in counted if one.answered)
        return have + _ROUNDING >= ENOUGH * sum(one.share for one in counted)

    def _settled(self) -> bool:
        return all(one.settled or one.trial for one in self.questions)
