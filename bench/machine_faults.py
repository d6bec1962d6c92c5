"""Faults of a machine: a full volume, and a wrong clock of one process."""

from __future__ import annotations

import asyncio
import random

from bench.chaos_scene import Scene
from support.small_disk import fill_disk

__all__ = ["MachineFaults"]

FULL_S = (1.0, 5.0)
WRONG_S = (1.5, 6.0)
AMOUNTS_S = (300, 7200, 40 * 86_400, 3 * 365 * 86_400)


class MachineFaults:
    """Strikes a volume or a clock of a scene."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._fleet, self._rng = scene, scene.fleet, scene.rng

    async def fill(self, name: str) -> None:
        """No byte is free for a while on the volume of a process; who ended by that is started again."""
        filler = fill_disk(self._scene.volume(name))
        await asyncio.sleep(self._rng.uniform(*FULL_S))
        filler.unlink()
        for _ in await self._fleet.revive(name):
            self._scene.told["ended on a full disk"] += 1

    async def move_clock(self, name: str) -> None:
        """The clock of a running process jumps, or it is started on a wrong one; later it is right again."""
        started = self._rng.random() < 0.5
        if started:
            await self._fleet.kill(name)
        self._scene.set_clock(name, drawn_offset_s(self._rng))
        if started:
            await self._fleet.restart(name)
        await asyncio.sleep(self._rng.uniform(*WRONG_S))
        self._scene.set_clock(name)


def drawn_offset_s(rng: random.Random) -> int:
    """Minutes to years, ahead or behind."""
    return rng.choice((1, -1)) * rng.choice(AMOUNTS_S)
