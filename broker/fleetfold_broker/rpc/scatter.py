"""Scatter-gather: one question to many nodes, their answers as they come, each from a sender the broker vouches for.

Answers arrive on `gather.<asker>.<node>`, heard by one standing subscription. A node that nobody stands for answers
through the server («no responders»), so a dead node costs no waiting. Broadcasting costs the asker a third of asking
each node, but does not tell the dead, so it is for large fleets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import count

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.identity.message_seals import UNSEALED, Seals
from fleetfold_broker.rpc.headers import CORRELATION, ERROR_CODE, GATHER, STATUS, deadline, error_of
from fleetfold_broker.rpc.request_client import NO_RESPONDERS
from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.ids import new_id

__all__ = [
    "BROADCAST_FROM",
    "LATE_S",
    "LinkLost",
    "OnAnswer",
    "OnLate",
    "ScatterClient",
    "ScatterReply",
    "ScatterRound",
]

BROADCAST_FROM = 64
"""From how many nodes on the question is broadcast."""
LATE_S = 5.0
"""For how long answers are heard that nobody waits for any more."""
MOST_LATE = 2000
"""Of so many rounds at once; the oldest is forgotten for a new one."""


class LinkLost(Unavailable):
    """The asker has lost the broker: what it asked will not be answered, which is no node's fault."""


class ScatterReply(msgspec.Struct, frozen=True):
    """What one node said: its bytes, or the error instead; `ms` from the question to it."""

    ms: float
    data: bytes = b""
    error: FleetfoldError | None = None


OnAnswer = Callable[[str, ScatterReply], bool]
"""Told of each answer as it comes; whether to wake up who waits."""
OnLate = Callable[[str, ScatterReply | None], None]
"""Told of an answer after the round's end, and with `None` of a node that kept silent for `LATE_S` more."""


class ScatterRound:
    """One question under way, which may be put to more nodes as it goes. `asked` has when, by `time.perf_counter`."""

    def __init__(
        self, gatherer: ScatterClient, number: str, verb: str, on_answer: OnAnswer, on_late: OnLate | None
    ) -> None:
        self._gatherer, self._number, self._verb = gatherer, number, verb
        self._on_answer, self._on_late = on_answer, on_late
        self._news = asyncio.Event()
        self._is_over = False
        self.asked: dict[str, float] = {}
        self.answers: dict[str, ScatterReply] = {}

    async def ask(self, nodes: Collection[str], data: bytes, timeout_s: float, *, broadcast: bool = True) -> None:
        """Put the question to `nodes`, which are told how long they have. `Unavailable` when the link is down."""
        self.asked |= dict.fromkeys(nodes, time.perf_counter())
        await self._gatherer.scatter(self._verb, self._number, nodes, data, timeout_s, broadcast=broadcast)

    async def wait(self, timeout_s: float) -> bool:
        """Until an answer is worth waking up for, by `on_answer`; false when none was within `timeout_s`."""
        if not self._news.is_set():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
            except TimeoutError:
                return False
        self._news.clear()
        return True

    def awaits(self, node: str) -> bool:
        """Whether the node was asked, and has not answered."""
        return node in self.asked and node not in self.answers

    def take(self, node: str, data: bytes, error: FleetfoldError | None = None) -> None:
        """An answer has come. The second one of a node does not count, nor that of one that was not asked."""
        if not self.awaits(node):
            return
        answer = self.answers[node] = ScatterReply((time.perf_counter() - self.asked[node]) * 1000, data, error)
        if self._is_over:
            self._tell_late(node, answer)
        elif self._on_answer(node, answer):
            self._news.set()

    def end(self) -> bool:
        """Nobody waits any more; whether anything may come that somebody wants to hear of."""
        self._is_over = True
        return self._on_late is not None and len(self.answers) < len(self.asked)

    def forget(self) -> None:
        """What has not come by now does not count."""
        for node in self.asked.keys() - self.answers.keys():
            self._tell_late(node, None)

    def _tell_late(self, node: str, answer: ScatterReply | None) -> None:
        if self._on_late is not None:
            self._on_late(node, answer)


class ScatterClient:
    """Asks many nodes at once. Has a bus of its own, so that a flood of answers holds up nothing else."""

    def __init__(
        self,
        bus: Bus,
        on_gone: Callable[[str], None] = lambda node: None,  # noqa: ARG005 (a default)
        seals: Seals = UNSEALED,
    ) -> None:
        self._bus, self._seals = bus, seals
        self._asker = new_id()
        self._rounds: dict[str, ScatterRound] = {}
        self._late: dict[str, ScatterRound] = {}
        self._numbers = count(1)
        self.on_gone = on_gone
        """Told of a node that nobody stands for."""
        self.on_junk: Callable[[str], None] = lambda node: None  # noqa: ARG005 (a default)
        """Told of a node that has said what it was not asked, which is not read."""

    async def start(self) -> None:
        """Listen for answers."""
        await self._bus.subscribe(self._bus.subjects.gather(self._asker), self._receive)
        self._bus.link.on_down(self._broken)

    async def ask(self, verb: str, nodes: Collection[str], data: bytes, timeout_s: float) -> dict[str, ScatterReply]:
        """The answers of `nodes` that came within `timeout_s`, by node; who is missing did not answer in time.

        `Unavailable` when the link is down.
        """
        if not nodes:
            return {}
        with self.round(verb, lambda _node, _answer: len(round_.answers) == len(round_.asked)) as round_:
            await round_.ask(nodes, data, timeout_s)
            await round_.wait(timeout_s)
            return round_.answers

    @contextmanager
    def round(self, verb: str, on_answer: OnAnswer, on_late: OnLate | None = None) -> Iterator[ScatterRound]:
        """A question that nobody has been asked yet. However it is left, it is forgotten: at once, or with an `on_late`
        when all have answered, `LATE_S` later at most.
        """
        number = str(next(self._numbers))
        round_ = self._rounds[number] = ScatterRound(self, number, verb, on_answer, on_late)
        try:
            yield round_
        finally:
            del self._rounds[number]
            if round_.end():
                self._keep(number, round_)

    async def scatter(
        self, verb: str, number: str, nodes: Collection[str], data: bytes, timeout_s: float, *, broadcast: bool
    ) -> None:
        """Put the question of the round `number` to `nodes`."""
        subjects, link = self._bus.subjects, self._bus.link
        headers = {GATHER: self._asker, CORRELATION: number, **deadline(timeout_s)}
        if broadcast and len(nodes) >= BROADCAST_FROM:
            subject = subjects.ask(verb)
            await link.publish(subject, data, headers=self._seals.sealed_for_all(subject, data, headers))
            return
        for node in nodes:
            subject = subjects.call(node, verb)
            sealed = self._seals.sealed(node, subject, data, headers)
            await link.publish(subject, data, subjects.gather(self._asker, node), sealed)

    async def _receive(self, message: Incoming) -> None:
        headers = message.headers or {}
        node = self._bus.subjects.token(message.subject, 2)
        number = headers.get(CORRELATION, "")
        if headers.get(STATUS) == NO_RESPONDERS and not message.data:
            if not self._gone(node):
                self.on_junk(node)  # anybody may say so of itself
        elif (round_ := self._rounds.get(number) or self._late.get(number)) is None or not round_.awaits(node):
            self.on_junk(node)
        else:
            error = error_of(message) if ERROR_CODE in headers else None
            round_.take(node, message.data, error)

    def _keep(self, number: str, round_: ScatterRound) -> None:
        """Hear what comes late, for a while."""
        if len(self._late) >= MOST_LATE:
            self._forget(next(iter(self._late)))
        self._late[number] = round_
        asyncio.get_running_loop().call_later(LATE_S, self._forget, number)

    def _forget(self, number: str) -> None:
        if (round_ := self._late.pop(number, None)) is not None:
            round_.forget()

    def _broken(self) -> None:
        """The link is down: what was asked will not be answered here."""
        for round_ in self._rounds.values():
            for node in list(round_.asked):
                round_.take(node, b"", LinkLost("the connection to the broker broke before the answer came"))
        self._late.clear()  # nobody is to blame

    def _gone(self, node: str) -> bool:
        """Nobody stands for `node`: whatever was asked of it will not be answered. False when nothing was."""
        asked = [each for each in (*self._rounds.values(), *self._late.values()) if each.awaits(node)]
        self.on_gone(node)
        for round_ in asked:
            round_.take(node, b"", Unavailable(f"node {node!r} is not connected"))
        return bool(asked)
