"""How long one search waits, and for whom: pure, in seconds since it began.

All nodes are waited for until the deadline, unless the caller allows to go without some. Then, once most of what is
expected to be relevant has come (or failed for good), the rest gets as long again as it took so far, a tenth of a
second at least, and what such a node usually takes in any case. (Vespa calls it adaptive timeouts, and the share
coverage: docs.vespa.ai, "Graceful query coverage degradation".)

A question may be answered by other nodes as well: the next is asked where the one before fails, or takes longer than 19
of 20 of its answers do. (Dean and Barroso, "The Tail at Scale", 2013: hedged requests.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from fleetfold_master.nodes.pace import Pace

__all__ = ["ENOUGH", "LEAST_WAIT_S", "Question", "Waiting"]

ENOUGH = 0.8
"""The share of the expected relevance after which the rest is not waited for until the deadline: one of five may be
missing."""
LEAST_WAIT_S = 0.1
"""A pause of the machine must not cost a healthy node its place."""
MOST_WAIT = 0.5
"""The part of the deadline that a node's usual slowness may cost."""
TRIAL_WAIT_S = 0.005
HEDGE_AFTER_S = 0.005
HEDGE_UNKNOWN_S = 0.1
_ROUNDING = 1e-9


@dataclass(slots=True, eq=False)
class Question:
    """What `owner` has, a `share` of all that is expected: `nodes` would answer the same, and are asked in this order.

    A `trial` is for a node that has failed before: it is not counted on.
    """

    owner: str
    nodes: Sequence[str]
    share: float
    trial: bool = False
    asked: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    winner: str | None = None

    @property
    def next(self) -> str | None:
        """Who could be asked now."""
        return next((node for node in self.nodes if node not in self.asked), None)

    @property
    def running(self) -> list[str]:
        """Who has been asked and has said nothing yet."""
        return [node for node in self.asked if node not in self.failed and node != self.winner]

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come."""
        return self.winner is not None or (self.next is None and not self.running)


class Waiting:
    """Decides at each moment whom to ask, and until when to wait. `pace` is how fast a node is known to be."""

    def __init__(
        self,
        questions: Iterable[Question],
        timeout_s: float,
        pace: Callable[[str], Pace],
        *,
        patient: bool,
        max_parallel: int | None = None,
    ) -> None:
        self.questions = sorted(questions, key=lambda one: (one.trial, -one.share))
        self._by_node = {node: one for one in self.questions for node in one.nodes}
        self._timeout_s, self._pace, self._patient = timeout_s, pace, patient
        self._room = max_parallel or math.inf
        self._is_plain = max_parallel is None and all(len(one.nodes) == 1 for one in self.questions)
        self._last = self._enough_at = 0.0
        self._enough = False

    def due(self, now: float) -> list[str]:
        """Whom to ask now; they count as asked."""
        chosen: list[str] = []
        room = self._room - sum(self._busy(one, now) for one in self.questions)
        for question in self.questions:
            node = question.next
            if room >= 1 and node is not None and question.winner is None and self._may_ask(question, now):
                question.asked[node] = now
                chosen.append(node)
                room -= 1
        return chosen

    def came(self, node: str, now: float, *, good: bool) -> bool:
        """The node has answered, or failed for good; whether that changes what to do next."""
        question = self._by_node[node]
        if not good:
            question.failed.add(node)
        elif question.winner is None:
            question.winner = node
        self._last = now
        before, self._enough = self._enough, self._is_enough()
        if self._enough and not before:
            self._enough_at = now
        return self._enough != before or not self._is_plain or self._settled()

    def until(self, now: float) -> float | None:
        """When to look again at the latest; `None` when the search has all that it waits for."""
        end = self.end()
        if end <= now:
            return None
        moments = [moment for one in self.questions for moment in self._moments(one)]
        return min([end, *(moment for moment in moments if moment > now)])

    def end(self) -> float:
        """When nobody is waited for any more, as it looks now."""
        left = [one for one in self.questions if not one.settled]
        if not left:
            return 0.0
        if all(one.trial for one in left):
            return self._trials_end()
        unasked = any(not one.asked for one in left)
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

    def _may_ask(self, question: Question, now: float) -> bool:
        """The first at once; another when those before have failed, or take longer than they should."""
        return not question.running or now >= self._hedge_at(question)

    def _hedge_at(self, question: Question) -> float:
        node = question.running[-1]
        pace = self._pace(node)
        return question.asked[node] + (max(HEDGE_AFTER_S, pace.p95) if pace.known else HEDGE_UNKNOWN_S)

    def _moments(self, question: Question) -> list[float]:
        """When something may have to be done about it, though nobody says anything."""
        if question.settled or not question.running:
            return []
        hedge = [self._hedge_at(question)] if question.next is not None else []
        return hedge if self._room == math.inf else [*hedge, *(self._given_up(question, n) for n in question.running)]

    def _busy(self, question: Question, now: float) -> int:
        """How many places it takes among those that may be asked at once."""
        if question.winner is not None:
            return 0
        return sum(now < self._given_up(question, node) for node in question.running)

    def _given_up(self, question: Question, node: str) -> float:
        """From when on one that is silent holds up no other; its answer counts all the same."""
        if self._patient:
            return self._timeout_s
        usual = max(LEAST_WAIT_S, self._pace(node).usual)
        return question.asked[node] + min(usual, MOST_WAIT * self._timeout_s)

    def _usual_end(self, question: Question) -> float:
        return max((question.asked[node] + self._pace(node).usual for node in question.running), default=0.0)

    def _is_enough(self) -> bool:
        counted = [one for one in self.questions if not one.trial and (one.winner or not one.settled)]
        have = sum(one.share for one in counted if one.winner)
        return have + _ROUNDING >= ENOUGH * sum(one.share for one in counted)

    def _settled(self) -> bool:
        return all(one.settled or one.trial for one in self.questions)
