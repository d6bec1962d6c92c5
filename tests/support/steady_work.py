"""Callers that have jobs run all the time, and what became of each: for tests in which something fails meanwhile."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from time import monotonic
from typing import Self

from fleetfold.client import Client
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.ids import new_id
from support.fleet import Fleet
from support.storm import CHILDREN
from support.wait import eventually

__all__ = ["WAIT_S", "Work"]

CALLERS = 6
WAIT_S = 120.0


class Work:
    """Callers that have jobs run all the time. `accepted` has the jobs that a master took, `ended` when each ended."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.accepted: set[str] = set()
        self.ended: dict[str, float] = {}
        self.states: dict[str, str] = {}
        self._enough = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._callers = [asyncio.create_task(self._call(number)) for number in range(CALLERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._enough.set()
        await asyncio.gather(*self._callers)

    async def more(self, count: int) -> None:
        """Return when so many more have ended."""
        until = len(self.ended) + count
        await eventually(lambda: len(self.ended) >= until, WAIT_S)

    def stall_s(self, since: float) -> float:
        """The longest time since then in which nothing ended."""
        moments = sorted([since, *(at for at in self.ended.values() if at >= since)])
        return max(after - before for before, after in pairwise(moments))

    async def _call(self, number: int) -> None:
        node = CHILDREN[number % len(CHILDREN)]
        while not self._enough.is_set():
            job = new_id()
            while not await self._tried(job, node):
                pass

    async def _tried(self, job: str, node: str) -> bool:
        """Have the job run to its end; a refused call is repeated under the same id."""
        try:
            await self._client.run("enter", {"tx": job}, nodes=[node], id=job, detach=True)
            self.accepted.add(job)
            self.states[job] = (await self._client.jobs.wait(job, WAIT_S)).state
        except FleetfoldError:
            return False
        self.ended[job] = monotonic()
        return True

    def check(self, fleet: Fleet) -> None:
        """Each job that was accepted went well, and was done once."""
        assert {self.states[job] for job in self.accepted} == {"ok"}
        done = [effect["tx"] for child in CHILDREN for effect in fleet.effects(child)]
        assert sorted(done) == sorted(self.accepted)
