"""A request to several nodes, sent to all at once or to a few at a time, and waited for adaptively."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from msgspec.structs import replace

from fleetfold_broker.rpc.scatter import ConnectionLost, OnAnswer, OnLate, ScatterReply
from fleetfold_master.nodes import RequestHealth
from fleetfold_master.search.plan.search_plan import WaitingPolicy
from fleetfold_master.search.scatter.adaptive_waiting import AdaptiveWaiting, PendingNode
from fleetfold_master.search.scatter.response_reading import read_reply
from fleetfold_master.search.shard_response import ShardResponse, ShardResponses
from fleetfold_shared.messages import SearchRequest, encode

__all__ = ["LateListener", "OpenRound", "ShardClient", "ShardRound"]

ANSWERED = frozenset({"ok", "partial", "no_collection"})
"""Statuses of nodes that have answered the query."""

Declared = Callable[[str], Collection[str]]
"""The collections that a node has declared."""


class ShardRound(Protocol):
    """A request in progress, as `fleetfold_broker.rpc.scatter.ScatterRound` is."""

    @property
    def asked(self) -> Mapping[str, float]: ...
    async def ask(self, nodes: Collection[str], data: bytes, timeout_s: float, *, broadcast: bool = True) -> None: ...
    async def wait(self, timeout_s: float) -> bool: ...


class OpenRound(Protocol):
    """Starts a request, as `fleetfold_broker.rpc.scatter.ScatterClient.round` does."""

    def __call__(
        self, verb: str, on_answer: OnAnswer, on_late: OnLate | None = None, /
    ) -> AbstractContextManager[ShardRound]: ...


class LateListener(Protocol):
    """Receives the valid responses to searches that no longer wait for them."""

    def received(self, ask: SearchRequest, node: str, response: ShardResponse) -> None: ...


class ShardClient:
    """Requests shard responses from nodes on the bus. `late` receives those that come after their search."""

    def __init__(self, open_round: OpenRound, health: RequestHealth, declared: Declared, late: LateListener) -> None:
        self.open_round, self.health, self.declared, self.late = open_round, health, declared, late

    def ask(
        self, nodes: Collection[str], ask: SearchRequest, timeout_s: float, policy: WaitingPolicy
    ) -> Coroutine[Any, Any, ShardResponses]:
        """Each node's response, after `timeout_s` seconds at most. Raises `Unavailable` without a broker."""
        return _NodeRequest(self, nodes, ask, timeout_s, policy).run()


class _NodeRequest:
    """One request, from the first send to the reports."""

    def __init__(
        self, client: ShardClient, nodes: Collection[str], ask: SearchRequest, timeout_s: float, policy: WaitingPolicy
    ) -> None:
        self._client, self._health, self._policy = client, client.health, policy
        self._ask, self._timeout_s = ask, timeout_s
        self._pending, self._left_out = self._divided(nodes)
        self._responses = ShardResponses()
        self._waiting = AdaptiveWaiting(
            self._pending, timeout_s, client.health.round_trip, patient=policy.partial != "allow",
            max_parallel=policy.max_parallel,
        )  # fmt: skip
        self._asked: Mapping[str, float] = {}
        self._started, self._ended = time.perf_counter(), 0.0

    async def run(self) -> ShardResponses:
        """Ask the nodes, and wait as long as `AdaptiveWaiting` says."""
        if not self._pending:
            return self._left_out
        with self._client.open_round("search", self._answered, self._answered_late) as round_:
            self._asked = round_.asked
            while True:
                if due := self._waiting.due(self._now()):
                    left_s = max(0.001, self._timeout_s - self._now())
                    data = encode(replace(self._ask, deadline_ms=max(1, int(left_s * 1000))))
                    await round_.ask(due, data, left_s, broadcast=self._policy.max_parallel is None)
                if (until := self._waiting.until(self._now())) is None:
                    break
                await round_.wait(max(0.0, until - self._now()))
            self._ended = self._now()
            self._report_silent()
        return self._left_out | {
            one.node: self._responses.get(one.node) or self._unanswered(one) for one in self._pending
        }

    def _divided(self, nodes: Collection[str]) -> tuple[list[PendingNode], ShardResponses]:
        """The nodes to ask, and the reports of those whose breaker is open.

        If all breakers are open, all nodes are tried, because nothing can be lost. A caller that requires every
        node's answer has all nodes asked, whatever their breakers say.
        """
        pending, left_out, breakers = list[PendingNode](), ShardResponses(), self._health.breakers
        states = {node: "closed" if self._policy.partial != "allow" else breakers.state(node) for node in nodes}
        all_open = all(state == "open" for state in states.values())
        for node, state in states.items():
            if state == "closed":
                pending.append(PendingNode(node, self._share(node, len(nodes))))
            elif state == "half_open" or all_open:
                breakers.tried(node)
                pending.append(PendingNode(node, self._share(node, len(nodes)), trial=True))
            else:
                left_out[node] = ShardResponse.not_asked(node, breakers.reason(node))
        return pending, left_out

    def _share(self, node: str, nodes: int) -> float:
        expected = self._policy.expected
        return expected.get(node, 0.0) if any(expected.values()) else 1 / nodes

    def _answered(self, node: str, reply: ScatterReply) -> bool:
        """Process a reply. Returns whether it changes how long is waited."""
        response = self._responses[node] = self._read(node, reply)
        return self._waiting.answered(node, self._now(), good=response.report.status in ANSWERED)

    def _answered_late(self, node: str, reply: ScatterReply | None) -> None:
        """Process a reply after the end of waiting, or the certainty that there will be none."""
        if reply is None:
            self._health.breakers.failed(node, self._age_s(node), "no answer")
            return
        response = self._read(node, reply)
        if response.answer is not None and response.report.status in ANSWERED:
            self._client.late.received(self._ask, node, response)

    def _read(self, node: str, reply: ScatterReply) -> ShardResponse:
        """Read a reply, and record what it says of the node's health."""
        response = read_reply(node, reply, self._ask, self._client.declared(node))
        report, answer = response
        if report.status in ANSWERED:
            self._health.answered(node, reply.ms)
        elif not isinstance(reply.error, ConnectionLost):  # which is no node's fault
            code = reply.error.code if reply.error is not None else answer.code if answer is not None else None
            self._health.refused(node, reply.ms, code, report.error or report.status)
        return response

    def _unanswered(self, pending: PendingNode) -> ShardResponse:
        node = pending.node
        if pending.asked is None:
            why = f"not asked in time: {self._policy.max_parallel} at once may be (max_parallel)"
            return ShardResponse.silent(node, why)
        if pending.trial:
            return ShardResponse.not_asked(node, self._health.breakers.reason(node))
        if self._ended < self._timeout_s:
            waited_ms = (self._ended - pending.asked) * 1000
            return ShardResponse.silent(node, f"not waited for: most had come, and it took over {waited_ms:.0f} ms")
        return ShardResponse.silent(node)

    def _report_silent(self) -> None:
        for one in self._pending:
            if one.running and not one.trial:
                self._health.breakers.failed(one.node, self._age_s(one.node), "no answer in time")

    def _age_s(self, node: str) -> float:
        return time.perf_counter() - self._asked[node]

    def _now(self) -> float:
        return time.perf_counter() - self._started
