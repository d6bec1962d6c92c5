"""Nodes that are killed, hung, slowed and return, with a seed; and when each of them surely could not answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from support.fleet import Fleet

__all__ = ["Lag", "Troubles"]

PULSE_S = 0.15
Trouble = Callable[[str, float], Awaitable[None]]
"""Befalls a child, for about so many seconds."""


@dataclass(slots=True)
class Troubles:
    """What befalls the children, at most two of them at a time, until `stop`. `away` has who was away from when until
    when, by `time.monotonic`.
    """

    fleet: Fleet
    children: Sequence[str]
    seed: int
    away: list[tuple[str, float, float]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"killed": 0, "hung": 0, "slowed": 0})
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Cause trouble until told to stop; then all are back."""
        chance = random.Random(self.seed)
        names = list(self.children)
        chance.shuffle(names)
        half = len(names) // 2
        await asyncio.gather(
            self._plague(chance, names[:half], [self._kill, self._hang]),
            self._plague(chance, names[half:], [self._hang, self._slow]),
        )

    async def _plague(self, chance: random.Random, names: Sequence[str], kinds: list[Trouble]) -> None:
        """One trouble after the other, each with a time of peace behind it, and each kind once at least."""
        chance.shuffle(kinds)
        for what in cycle(kinds):
            await what(chance.choice(names), chance.uniform(0.3, 1.5))
            await self._pause(chance.uniform(0.2, 1.0))
            if self.stop.is_set() and self.had_all:
                return

    @property
    def had_all(self) -> bool:
        """Whether there was every kind of trouble."""
        return all(self.counts.values())

    async def _kill(self, name: str, seconds: float) -> None:
        await self.fleet.kill(name)
        since = time.monotonic()
        await self._pause(seconds)
        until = time.monotonic()
        await self.fleet.restart(name)
        self._note("killed", name, since, until)

    async def _hang(self, name: str, seconds: float) -> None:
        self.fleet.freeze(name)
        since = time.monotonic()
        await self._pause(3 * seconds)
        until = time.monotonic()
        self.fleet.thaw(name)
        self._note("hung", name, since, until)

    async def _slow(self, name: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.fleet.freeze(name)
            await asyncio.sleep(PULSE_S)
            self.fleet.thaw(name)
            await asyncio.sleep(PULSE_S / 5)
        self.counts["slowed"] += 1

    def _note(self, what: str, name: str, since: float, until: float) -> None:
        self.counts[what] += 1
        self.away.append((name, since, until))

    async def _pause(self, seconds: float) -> None:
        """So long, or until the end."""
        try:
            async with asyncio.timeout(seconds):
                await self.stop.wait()
        except TimeoutError:
            pass

    def was_away(self, name: str, since: float, until: float) -> bool:
        """Whether it was away all of that time."""
        return any(one == name and began <= since and until <= ended for one, began, ended in self.away)


class Lag:
    """How late this process is itself: on a machine that is busy otherwise nobody can be punctual."""

    STEP_S = 0.01

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(self.STEP_S)
            now = time.monotonic()
            if (late_s := now - began - self.STEP_S) > self.STEP_S:
                self._late.append((now, late_s))

    def within(self, since: float, until: float) -> float:
        """All the time it was late by then, in seconds."""
        return sum(late_s for at, late_s in self._late if since <= at <= until + self.STEP_S)
