"""The scatter of one search: asks nodes all at once or a few at a time, and reports how each answered."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace

from fleetfold_broker.rpc.scatter import LinkLost, OnAnswer, OnLate, ScatterReply
from fleetfold_master.nodes import Breakers, Presence, RoundTripEstimator
from fleetfold_master.search.adaptive_waiting import Question, Waiting
from fleetfold_master.search.deduplicated_page import Answers
from fleetfold_master.search.shard_response import Came, read, silent
from fleetfold_shared.messages import NodeReport, Partial, SearchAnswer, SearchAsk, encode

__all__ = ["Asking", "Declared", "Manner", "OnLateAnswer", "Rounds", "Scatter"]

GOOD = frozenset({"ok", "partial", "no_collection"})
"""Statuses of nodes that have answered the query."""
BLAMED = frozenset({"unavailable", "deadline_exceeded", "internal", "overloaded"})
"""Error codes that are the node's fault. A node that rejects the query is healthy."""

Declared = Callable[[str], Collection[str]]
"""The collections that a node has declared."""
OnLateAnswer = Callable[[SearchAsk, str, SearchAnswer], None]
"""Called with a node's valid response to a search that no longer waited for it."""


class Asking(Protocol):
    """A request in progress, as `fleetfold_broker.rpc.scatter.ScatterRound` is."""

    @property
    def asked(self) -> Mapping[str, float]: ...
    async def ask(self, nodes: Collection[str], data: bytes, timeout_s: float, *, broadcast: bool = True) -> None: ...
    async def wait(self, timeout_s: float) -> bool: ...


class Rounds(Protocol):
    """Starts a request, as `fleetfold_broker.rpc.scatter.ScatterClient.round` does."""

    def __call__(
        self, verb: str, on_answer: OnAnswer, on_late: OnLate | None = None, /
    ) -> AbstractContextManager[Asking]: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How a search asks its nodes.

    `expected` is each node's share of the expected relevance; empty means equal shares.
    """

    partial: Partial = "allow"
    max_parallel: int | None = None
    expected: Mapping[str, float] = field(default_factory=dict)


class Scatter:
    """Asks nodes, and records their latency and failures."""

    def __init__(
        self, rounds: Rounds, presence: Presence, declared: Declared, *,
        breakers: Breakers | None = None, max_parallel: int | None = None, on_late: OnLateAnswer | None = None,
    ) -> None:  # fmt: skip
        self._rounds, self._presence, self._max_parallel = rounds, presence, max_parallel
        self.declared = declared
        self.breakers = breakers or Breakers(presence.life)
        self.on_late = on_late or _ignore
        self._paces: dict[str, RoundTripEstimator] = {}

    async def ask(self, nodes: Collection[str], ask: SearchAsk, timeout_s: float, manner: Manner) -> Answers:
        """Each node's report and response, after `timeout_s` seconds at most. Raises `Unavailable` without a broker."""
        questions, left_out = self._questions(nodes, manner)
        if not questions:
            return left_out
        search = _Search(self, ask, questions, timeout_s, self._limited(manner))
        with self._rounds("search", search.came, search.late) as asking:
            await search.run(asking)
        return {**left_out, **search.answers()}

    def pace(self, node: str) -> RoundTripEstimator:
        """The node's round-trip estimator."""
        return self._paces.setdefault(node, RoundTripEstimator())

    def answered(self, node: str, ms: float) -> None:
        """Record a response, in time or late."""
        self.pace(node).took(ms / 1000)
        self._presence.answered(node, ms)
        self.breakers.answered(node)

    def _limited(self, manner: Manner) -> Manner:
        limits = [limit for limit in (manner.max_parallel, self._max_parallel) if limit is not None]
        return dataclasses.replace(manner, max_parallel=min(limits)) if limits else manner

    def _questions(self, nodes: Collection[str], manner: Manner) -> tuple[list[Question], Answers]:
        """The requests, and the reports of nodes whose breaker is open.

        If all breakers are open, all nodes are tried, because nothing can be lost. A caller that requires every
        node's answer has all nodes asked, whatever their breakers say.
        """
        asked, left_out = list[Question](), Answers()
        states = {node: "closed" if manner.partial != "allow" else self.breakers.state(node) for node in nodes}
        hopeless = all(state == "open" for state in states.values())
        for node, state in states.items():
            if state == "closed":
                asked.append(Question(node, _share(node, manner, len(nodes))))
            elif state == "half_open" or hopeless:
                self.breakers.tried(node)
                asked.append(Question(node, _share(node, manner, len(nodes)), trial=True))
            else:
                left_out[node] = NodeReport(node, "open", error=self.breakers.reason(node)), None
        return asked, left_out


def _share(node: str, manner: Manner, nodes: int) -> float:
    return manner.expected.get(node, 0.0) if any(manner.expected.values()) else 1 / nodes


class _Search:
    """One request to the nodes, from the first send to the reports."""

    def __init__(
        self, scatter: Scatter, ask: SearchAsk, questions: Sequence[Question], timeout_s: float, manner: Manner
    ) -> None:
        self._scatter, self._ask, self._timeout_s = scatter, ask, timeout_s
        self._manner, self._questions = manner, questions
        self._waiting = Waiting(
            questions, timeout_s, scatter.pace, patient=manner.partial != "allow", max_parallel=manner.max_parallel
        )
        self._came: dict[str, Came] = {}
        self._started = time.perf_counter()
        self._ended = 0.0
        self._asking: Asking | None = None

    async def run(self, asking: Asking) -> None:
        """Ask, and wait as long as `Waiting` says."""
        self._asking = asking
        while True:
            now = self._now()
            if due := self._waiting.due(now):
                left_s = max(0.001, self._timeout_s - now)
                data = encode(replace(self._ask, deadline_ms=max(1, int(left_s * 1000))))
                await asking.ask(due, data, left_s, broadcast=self._manner.max_parallel is None)
            until = self._waiting.until(self._now())
            if until is None:
                break
            await asking.wait(max(0.0, until - self._now()))
        self._ended = self._now()
        self._blame_the_silent()

    def came(self, node: str, answer: ScatterReply) -> bool:
        """Process a response."""
        report, _ = self._came[node] = read(node, answer, self._ask, self._scatter.declared(node))
        good = report.status in GOOD
        self._learn(node, answer, self._came[node])
        return self._waiting.came(node, self._now(), good=good)

    def late(self, node: str, answer: ScatterReply | None) -> None:
        """Process a response after the end of waiting, or the certainty that there will be none."""
        if answer is None:
            self._scatter.breakers.failed(node, self._age_s(node), "no answer")
            return
        came = read(node, answer, self._ask, self._scatter.declared(node))
        self._learn(node, answer, came)
        report, said = came
        if said is not None and report.status in GOOD:
            self._scatter.on_late(self._ask, node, said)

    def answers(self) -> Answers:
        """The reports of all nodes that were asked or should have been, and their responses."""
        return {one.node: self._came.get(one.node) or (self._silent(one), None) for one in self._questions}

    def _silent(self, question: Question) -> NodeReport:
        node = question.node
        if question.asked is None:
            why = f"not asked in time: {self._manner.max_parallel} at once may be (max_parallel)"
            return NodeReport(node, "timeout", error=why)
        if question.trial:
            return NodeReport(node, "open", error=self._scatter.breakers.reason(node))
        if self._ended < self._timeout_s:
            waited_ms = (self._ended - question.asked) * 1000
            return NodeReport(
                node, "timeout", error=f"not waited for: most had come, and it took over {waited_ms:.0f} ms"
            )
        return silent(node)[0]

    def _blame_the_silent(self) -> None:
        for one in self._questions:
            if one.running and not one.trial:
                self._scatter.breakers.failed(one.node, self._age_s(one.node), "no answer in time")

    def _learn(self, node: str, answer: ScatterReply, came: Came) -> None:
        report, said = came
        if report.status in GOOD:
            self._scatter.answered(node, answer.ms)
            return
        code = answer.error.code if answer.error is not None else said.code if said is not None else None
        if isinstance(answer.error, LinkLost):
            return
        if code in BLAMED:
            self._scatter.breakers.failed(node, answer.ms / 1000, report.error or report.status)
        else:
            self._scatter.breakers.answered(node)

    def _age_s(self, node: str) -> float:
        assert self._asking is not None
        return time.perf_counter() - self._asking.asked[node]

    def _now(self) -> float:
        return time.perf_counter() - self._started


def _ignore(_ask: SearchAsk, _node: str, _answer: SearchAnswer) -> None:
    """Default of `OnLateAnswer`: do nothing."""
