"""Scatter-gather client: one request to many nodes, with their replies as they arrive, each from a verified sender.

Replies arrive on `gather.<requester>.<node>`, received by one permanent subscription. For a node that is not connected
the server replies («no responders»), so a dead node costs no waiting. A broadcast costs the requester a third of single
requests, but does not detect dead nodes; it is used for large fleets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.identity.message_seals import UNSEALED, Seals
from fleetfold_broker.rpc.broadcast_probe import probe
from fleetfold_broker.rpc.headers import CORRELATION, ERROR_CODE, GATHER, INCARNATION, STATUS, deadline, error_of
from fleetfold_broker.rpc.request_client import NO_RESPONDERS
from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.ids import new_id
from fleetfold_shared.verbs.node_requests import PING

__all__ = [
    "BROADCAST_FROM",
    "LATE_S",
    "ConnectionLost",
    "OnAnswer",
    "OnLate",
    "ScatterClient",
    "ScatterReply",
    "ScatterRound",
]

BROADCAST_FROM = 64
"""Number of nodes from which a request is broadcast."""
LATE_S = 5.0
"""Seconds for which replies are received after the end of their round."""
MOST_LATE = 2000
"""Most ended rounds that still receive replies; the oldest is dropped for a new one."""


class ConnectionLost(Unavailable):
    """The requester's connection broke: its requests will not be answered, which is no node's fault."""


class ScatterReply(msgspec.Struct, frozen=True):
    """One node's reply: its bytes or its error, and the milliseconds from request to reply."""

    ms: float
    data: bytes = b""
    error: FleetfoldError | None = None


OnAnswer = Callable[[str, ScatterReply], bool]
"""Called with each node and reply; returns whether to wake up `ScatterRound.wait`."""
OnLate = Callable[[str, ScatterReply | None], None]
"""Called with each reply after the round's end, and with `None` for a node that stayed silent for `LATE_S` more."""


OnNode = Callable[[str], None]
"""Called with a node's name."""


IsReplaced = Callable[[str, str], bool]
"""Called with a node and the incarnation in its reply. Returns whether another process has taken the name since."""


def _accept(_node: str, _incarnation: str) -> bool:
    """Default of `IsReplaced`: accept all replies."""
    return False


def _ignore(_node: str) -> None:
    """Default of `OnNode`: do nothing."""


class RoundRequest(NamedTuple):
    """The address of one round: the verb, the round's number, and the requester whose subject the replies go to."""

    verb: str
    number: str
    requester: str


class ScatterRound:
    """One open request, which may be sent to further nodes as it goes. `asked` has the time of each request, by
    `time.perf_counter`.
    """

    def __init__(
        self, bus: Bus, seals: Seals, request: RoundRequest, on_answer: OnAnswer, on_late: OnLate | None
    ) -> None:
        self._bus, self._seals, self._request = bus, seals, request
        self._on_answer, self._on_late = on_answer, on_late
        self._news = asyncio.Event()
        self._is_over = False
        self.verb = request.verb
        self.asked: dict[str, float] = {}
        self.answers: dict[str, ScatterReply] = {}

    async def ask(self, nodes: Collection[str], data: bytes, timeout_s: float, *, broadcast: bool = True) -> None:
        """Publish the request to `nodes` with its time limit: one by one, or to many as a broadcast. Raises
        `Unavailable` without a connection.
        """
        self.asked |= dict.fromkeys(nodes, time.perf_counter())
        request, subjects, connection = self._request, self._bus.subjects, self._bus.connection
        headers = {GATHER: request.requester, CORRELATION: request.number, **deadline(timeout_s)}
        if broadcast and len(nodes) >= BROADCAST_FROM:
            subject = subjects.ask(request.verb)
            await connection.publish(subject, data, headers=self._seals.sealed_for_all(subject, data, headers))
            return
        for node in nodes:
            subject = subjects.call(node, request.verb)
            sealed = self._seals.sealed(node, subject, data, headers)
            await connection.publish(subject, data, subjects.gather(request.requester, node), sealed)

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a reply for which `on_answer` returned True; returns False when none came within `timeout_s`."""
        if not self._news.is_set():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
            except TimeoutError:
                return False
        self._news.clear()
        return True

    def awaits(self, node: str) -> bool:
        """Tell whether the node was asked and has not replied."""
        return node in self.asked and node not in self.answers

    def take(self, node: str, data: bytes, error: FleetfoldError | None = None) -> None:
        """Record a reply. Ignores a node's second reply, and nodes that were not asked."""
        if not self.awaits(node):
            return
        answer = self.answers[node] = ScatterReply((time.perf_counter() - self.asked[node]) * 1000, data, error)
        if self._is_over:
            self._tell_late(node, answer)
        elif self._on_answer(node, answer):
            self._news.set()

    def end(self) -> bool:
        """Stop waiting. Returns True if late replies are still expected and a listener wants them."""
        self._is_over = True
        return self._on_late is not None and len(self.answers) < len(self.asked)

    def forget(self) -> None:
        """Stop receiving late replies, and report the nodes without one to the listener."""
        for node in self.asked.keys() - self.answers.keys():
            self._tell_late(node, None)

    def _tell_late(self, node: str, answer: ScatterReply | None) -> None:
        if self._on_late is not None:
            self._on_late(node, answer)


class ScatterClient:
    """Sends requests to many nodes. Uses a bus of its own, so that a flood of replies delays nothing else.

    `is_replaced` says whose replies are refused. `on_gone` is called with each node that turns out not to be connected,
    `on_unexpected` with each node that sent a reply which nobody awaits; it is discarded.
    """

    def __init__(
        self, bus: Bus, on_gone: OnNode = _ignore, *, on_unexpected: OnNode = _ignore, seals: Seals = UNSEALED,
        is_replaced: IsReplaced = _accept,
    ) -> None:  # fmt: skip
        self._bus, self._seals, self._on_gone, self._on_unexpected = bus, seals, on_gone, on_unexpected
        self._is_replaced = is_replaced
        self._requester = new_id()
        self._rounds: dict[str, ScatterRound] = {}
        self._late: dict[str, ScatterRound] = {}
        self._numbers = count(1)

    async def start(self) -> None:
        """Subscribe to replies."""
        await self._bus.connection.subscribe(self._bus.subjects.gather(self._requester), self._receive)
        self._bus.connection.on_down(self._broken)

    async def ask(self, verb: str, nodes: Collection[str], data: bytes, timeout_s: float) -> dict[str, ScatterReply]:
        """Send a request and return the replies that arrived within `timeout_s`, by node; nodes without a reply in time
        are missing. Raises `Unavailable` without a connection.
        """
        if not nodes:
            return {}
        with self.round(verb, lambda _node, _answer: len(round_.answers) == len(round_.asked)) as round_:
            await round_.ask(nodes, data, timeout_s)
            await round_.wait(timeout_s)
            return round_.answers

    async def probe(self, verb: str, data: bytes, timeout_s: float) -> dict[str, float]:
        """Broadcast a request to known and unknown nodes, and return who replied within `timeout_s`: milliseconds by
        name. Raises `Unavailable` without a connection.
        """
        return await probe(self._bus, self._seals, verb, data, timeout_s)

    @contextmanager
    def round(self, verb: str, on_answer: OnAnswer, on_late: OnLate | None = None) -> Iterator[ScatterRound]:
        """Open a round that no node has been asked yet, and close it at the end of the block. With `on_late`, it
        receives late replies for at most `LATE_S`.
        """
        number = str(next(self._numbers))
        round_ = self._rounds[number] = ScatterRound(
            self._bus, self._seals, RoundRequest(verb, number, self._requester), on_answer, on_late
        )
        try:
            yield round_
        finally:
            del self._rounds[number]
            if round_.end():
                self._await_late(number, round_)

    async def _receive(self, message: Incoming) -> None:
        headers = message.headers or {}
        node = self._bus.subjects.token(message.subject, 2)
        number = headers.get(CORRELATION, "")
        if headers.get(STATUS) == NO_RESPONDERS and not message.data:
            if not self._gone(node):
                self._on_unexpected(node)  # anybody may say so of itself
        elif (round_ := self._rounds.get(number) or self._late.get(number)) is None or not round_.awaits(node):
            self._on_unexpected(node)
        else:
            round_.take(node, message.data, self._error(node, round_, message))

    def _error(self, node: str, round_: ScatterRound, message: Incoming) -> FleetfoldError | None:
        """The error in a reply, or for one of a replaced process: nothing that it says is used.

        A pong names its incarnation itself: whoever takes a name must learn of every process that lives under it.
        """
        headers = message.headers or {}
        if round_.verb != PING.name and self._is_replaced(node, headers.get(INCARNATION, "")):
            return Unavailable(f"node {node!r}: a process answered that another one has replaced; ask again")
        return error_of(message) if ERROR_CODE in headers else None

    def _await_late(self, number: str, round_: ScatterRound) -> None:
        """Receive late replies of the round for `LATE_S`."""
        if len(self._late) >= MOST_LATE:
            self._forget(next(iter(self._late)))
        self._late[number] = round_
        asyncio.get_running_loop().call_later(LATE_S, self._forget, number)

    def _forget(self, number: str) -> None:
        if (round_ := self._late.pop(number, None)) is not None:
            round_.forget()

    def _broken(self) -> None:
        """Fail all open rounds: the connection is lost."""
        for round_ in self._rounds.values():
            for node in list(round_.asked):
                round_.take(node, b"", ConnectionLost("the connection to the broker broke before the answer came"))
        self._late.clear()  # no node is at fault

    def _gone(self, node: str) -> bool:
        """Fail all open requests to a node that is not connected. False when there were none."""
        asked = [each for each in (*self._rounds.values(), *self._late.values()) if each.awaits(node)]
        self._on_gone(node)
        for round_ in asked:
            round_.take(node, b"", Unavailable(f"node {node!r} is not connected"))
        return bool(asked)
