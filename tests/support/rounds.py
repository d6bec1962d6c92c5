"""Rounds of questions without a broker: what a plain function answers has come before anybody waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager

from fleetfold_broker.rpc.scatter import OnAnswer, OnLate, ScatterReply
from fleetfold_master.search.scatter.fan_out import OpenRound

__all__ = ["Gather", "rounds_of"]

Gather = Callable[[str, Collection[str], bytes, float], Awaitable[dict[str, ScatterReply]]]
"""The answers of nodes to a verb with this body, within so many seconds; the silent are absent."""


class _Round:
    def __init__(self, gather: Gather, verb: str, on_answer: OnAnswer) -> None:
        self._gather, self._verb, self._on_answer = gather, verb, on_answer
        self.asked: dict[str, float] = {}

    async def ask(self, nodes: Collection[str], data: bytes, timeout_s: float, *, broadcast: bool = True) -> None:
        self.asked |= dict.fromkeys(nodes, time.perf_counter())
        for node, answer in (await self._gather(self._verb, nodes, data, timeout_s)).items():
            self._on_answer(node, answer)

    async def wait(self, timeout_s: float) -> bool:
        await asyncio.sleep(timeout_s)
        return False


def rounds_of(gather: Gather) -> OpenRound:
    """Rounds whose answers are those of `gather`; nothing comes late."""

    @contextmanager
    def round_(verb: str, on_answer: OnAnswer, _on_late: OnLate | None = None, /) -> Iterator[_Round]:
        yield _Round(gather, verb, on_answer)

    return round_
