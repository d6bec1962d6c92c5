"""Faults of processes and their connections: killed, frozen, replaced while frozen, cut off."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bench.chaos_scene import Scene
from fleetfold_shared.ids import key_of

__all__ = ["ProcessFaults"]

DEAD_S = (0.0, 0.5)
FROZEN_S = (1.0, 5.0)
"""Longer than most steps may take."""
HUNG_S = (5.0, 12.0)
"""Longer than a master's lease, and than the broker waits for an ack."""
ASLEEP_S = (0.5, 4.0)
"""How long a process sleeps on that another has replaced."""
CUT_S = (0.2, 4.0)


class ProcessFaults:
    """Strikes one process or more of a scene. Whoever was struck stands again when the fault is over."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._fleet, self._rng = scene, scene.fleet, scene.rng
        self._successors = 0

    async def kill(self, *victims: str) -> None:
        """kill -9, and started again."""
        await self._fleet.kill(*victims)
        await asyncio.sleep(self._rng.uniform(*DEAD_S))
        await self._fleet.restart(*victims)

    async def lose_store(self) -> None:
        """The broker is killed, and all that it had stored is deleted."""
        await self._fleet.kill("broker")
        self._fleet.wipe_streams()
        await self._fleet.restart("broker")

    async def cut(self, child: str) -> None:
        """The connection of a child drops everything for a while."""
        await self._scene.wires[child].cut(self._rng.uniform(*CUT_S))

    async def freeze(self, victim: str, seconds: tuple[float, float] = FROZEN_S) -> None:
        """SIGSTOP, and SIGCONT later."""
        self._fleet.freeze(victim)
        await asyncio.sleep(self._rng.uniform(*seconds))
        self._fleet.thaw(victim)

    async def hang(self, master: str) -> None:
        """A master hangs so long that it has lost its lease and its work."""
        await self.freeze(master, HUNG_S)

    async def replace(self, child: str) -> None:
        """A child is frozen, a second process takes its name with a copy of its data, and the first one wakes."""
        self._successors += 1
        data = self._scene.fleet.place / "successors" / f"{child}-{self._successors}"
        sleeper = f"{child}-replaced-{self._successors}"
        self._fleet.freeze(child)
        shutil.copytree(self._scene.data[child], data)
        self._scene.zombies[self._fleet.pid(child)] = _begun(data / "node.db")
        self._fleet.rename(child, sleeper)
        await self._scene.start_successor(child, data)
        await asyncio.sleep(self._rng.uniform(*ASLEEP_S))
        self._fleet.thaw(sleeper)


def _begun(ledger: Path) -> frozenset[str]:
    """The keys of the commands that a node was running."""
    with closing(sqlite3.connect(ledger)) as connection:
        found = connection.execute("SELECT id FROM fleetfold_command WHERE state = 'running'")
        return frozenset(key_of(command_id) for (command_id,) in found)
