"""Scatter-gather: one question to many nodes, their answers as they come, each from a sender the broker vouches for.

Answers arrive on `gather.<asker>.<node>`, heard by one standing subscription. A node that nobody stands for answers
through the server («no responders»), so a dead node costs no waiting. Broadcasting costs the asker a third of asking
each node, but does not tell the dead, so it is for large fleets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from itertools import count

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.headers import CORRELATION, ERROR_CODE, GATHER, STATUS, deadline, error_of
from fleetfold_broker.requests import NO_RESPONDERS
from fleetfold_broker.subscription import Incoming
from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.ids import new_id

__all__ = ["BROADCAST_FROM", "Answer", "Gatherer"]

BROADCAST_FROM = 64
"""From how many nodes on the question is broadcast."""


class Answer(msgspec.Struct, frozen=True):
    """What one node said: its bytes, or the error instead; `ms` from the question to it."""

    ms: float
    data: bytes = b""
    error: FleetfoldError | None = None


class _Round:
    """One question under way."""

    def __init__(self, expected: Collection[str]) -> None:
        self.expected = set(expected)
        self.answers: dict[str, Answer] = {}
        self.complete = asyncio.Event()
        self.started = time.perf_counter()

    def take(self, node: str, data: bytes, error: FleetfoldError | None = None) -> None:
        if node in self.expected and node not in self.answers:
            ms = (time.perf_counter() - self.started) * 1000
            self.answers[node] = Answer(ms, data, error)
            if len(self.answers) == len(self.expected):
                self.complete.set()


class Gatherer:
    """Asks many nodes at once. Has a bus of its own, so that a flood of answers holds up nothing else."""

    def __init__(self, bus: Bus, on_gone: Callable[[str], None] = lambda node: None) -> None:  # noqa: ARG005 (a default)
        self._bus = bus
        self._asker = new_id()
        self._rounds: dict[str, _Round] = {}
        self._numbers = count(1)
        self.on_gone = on_gone
        """Told of a node that nobody stands for."""

    async def start(self) -> None:
        """Listen for answers."""
        await self._bus.subscribe(self._bus.subjects.gather(self._asker), self._receive)
        self._bus.link.on_down(self._broken)

    async def ask(self, verb: str, nodes: Collection[str], data: bytes, timeout_s: float) -> dict[str, Answer]:
        """The answers of `nodes` that came within `timeout_s`, by node; who is missing did not answer in time.

        `Unavailable` when the link is down.
        """
        if not nodes:
            return {}
        number = str(next(self._numbers))
        round_ = self._rounds[number] = _Round(nodes)
        headers = {GATHER: self._asker, CORRELATION: number, **deadline(timeout_s)}
        try:
            await self._scatter(verb, nodes, data, headers)
            async with asyncio.timeout(timeout_s):
                await round_.complete.wait()
        except TimeoutError:
            pass
        finally:
            del self._rounds[number]
        return round_.answers

    async def _scatter(self, verb: str, nodes: Collection[str], data: bytes, headers: dict[str, str]) -> None:
        subjects, link = self._bus.subjects, self._bus.link
        if len(nodes) >= BROADCAST_FROM:
            await link.publish(subjects.ask(verb), data, headers=headers)
            return
        for node in nodes:
            await link.publish(subjects.call(node, verb), data, subjects.gather(self._asker, node), headers)

    async def _receive(self, message: Incoming) -> None:
        headers = message.headers or {}
        node = self._bus.subjects.token(message.subject, 2)
        if headers.get(STATUS) == NO_RESPONDERS and not message.data:
            self._gone(node)
        elif (round_ := self._rounds.get(headers.get(CORRELATION, ""))) is not None:
            error = error_of(message) if ERROR_CODE in headers else None
            round_.take(node, message.data, error)

    def _broken(self) -> None:
        """The link is down: what was asked will not be answered here."""
        for round_ in self._rounds.values():
            for node in round_.expected:
                round_.take(node, b"", Unavailable("the connection to the broker broke before the answer came"))

    def _gone(self, node: str) -> None:
        """Nobody stands for `node`: whatever was asked of it will not be answered."""
        self.on_gone(node)
        for round_ in self._rounds.values():
            round_.take(node, b"", Unavailable(f"node {node!r} is not connected"))
