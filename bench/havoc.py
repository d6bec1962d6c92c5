"""kill -9, SIGSTOP, cut wires and a lost store, one after the other, in the order of a seed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from bench.wire import Wire
from support.fleet import Fleet
from support.storm import CHILDREN

__all__ = ["Havoc"]

BETWEEN_S = (0.2, 1.2)
DEAD_S = (0.0, 0.5)
FROZEN_S = (1.0, 5.0)
"""Longer than most steps may take."""
CUT_S = (0.2, 4.0)


class Havoc:
    """What is done to a fleet, whose children have `wires`. Whoever was struck stands again when `rage` returns;
    `counts` says what was done.
    """

    def __init__(
        self, fleet: Fleet, rng: random.Random, wires: Mapping[str, Wire], masters: Sequence[str] = ("master",)
    ) -> None:
        self._fleet, self._rng, self._wires, self._masters = fleet, rng, wires, masters
        self.counts: Counter[str] = Counter()

    async def rage(self, over: asyncio.Event) -> None:
        """Strike until `over` is set."""
        blows: list[tuple[int, str, Callable[[], Awaitable[None]]]] = [
            (4, "kill master", lambda: self._kill(self._master())),
            (5, "kill child", lambda: self._kill(self._child())),
            (3, "kill server", lambda: self._kill("server")),
            (1, "kill broker", lambda: self._kill("broker")),
            (2, "kill master and child", lambda: self._kill(self._master(), self._child())),
            (1, "kill server and child", lambda: self._kill("server", self._child())),
            (3, "freeze child", lambda: self._freeze(self._child())),
            (2, "freeze master", lambda: self._freeze(self._master())),
            (1, "freeze server", lambda: self._freeze("server")),
            (5, "cut wire", lambda: self._cut(self._child())),
            (1, "lose the store", self._lose_store),
        ]
        if len(self._masters) > 1:
            blows += [
                (3, "freeze master", lambda: self._freeze(self._master())),
                (1, "kill all masters", lambda: self._kill(*self._masters)),
            ]
        weights = [weight for weight, _, _ in blows]
        while not over.is_set():
            await asyncio.sleep(self._rng.uniform(*BETWEEN_S))
            [(_, name, blow)] = self._rng.choices(blows, weights)
            await blow()
            self.counts[name] += 1

    async def _kill(self, *victims: str) -> None:
        await self._fleet.kill(*victims)
        await asyncio.sleep(self._rng.uniform(*DEAD_S))
        await self._fleet.restart(*victims)

    async def _lose_store(self) -> None:
        await self._fleet.kill("broker")
        self._fleet.wipe_streams()
        await self._fleet.restart("broker")

    async def _cut(self, child: str) -> None:
        await self._wires[child].cut(self._rng.uniform(*CUT_S))

    async def _freeze(self, victim: str) -> None:
        pid = self._fleet.pid(victim)
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(self._rng.uniform(*FROZEN_S))
        os.kill(pid, signal.SIGCONT)

    def _master(self) -> str:
        return self._masters[0] if len(self._masters) == 1 else self._rng.choice(self._masters)

    def _child(self) -> str:
        return self._rng.choice(CHILDREN)
