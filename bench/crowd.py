"""A crowd of light nodes on a fleet, so many to a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

import msgspec

from bench.light_nodes import Back, Spec
from bench.processes import Processes
from bench.workers import worker
from fleetfold.client import Client

__all__ = ["Crowd"]


class Crowd:
    """Nodes `light-0`, `light-1` and so on, which end with it. `floor` is the URL where as many bare ones stand."""

    def __init__(self, fleet: Processes, client: Client, floor: str | None = None, *, to_a_process: int = 25) -> None:
        self._fleet, self._client, self._floor, self._to_a_process = fleet, client, floor, to_a_process
        self._opened = AsyncExitStack()
        self._came_back: asyncio.Queue[Back] = asyncio.Queue()
        self.names: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def grow(self, size: int) -> None:
        """Return when there are `size` of them, and all have joined."""
        fresh = [f"light-{number}" for number in range(len(self.names), size)]
        step = self._to_a_process
        for names in [fresh[first : first + step] for first in range(0, len(fresh), step)]:
            await self._opened.enter_async_context(self._running(names))
        self.names += fresh

    async def all_back(self) -> list[Back]:
        """What each has said when it was back, in that order, once all are."""
        back: dict[str, Back] = {}
        while len(back) < len(self.names):
            said = await self._came_back.get()
            back[said.node] = said
        return sorted(back.values(), key=lambda said: said.at)

    @asynccontextmanager
    async def _running(self, names: Sequence[str]) -> AsyncIterator[None]:
        tokens = {name: await self._token(name) for name in names}
        spec = Spec(self._fleet.url, str(self._fleet.data / "children"), tokens, self._floor)
        async with worker("bench.light_nodes", spec) as nodes:
            listening = asyncio.create_task(self._listen(nodes.stdout))
            try:
                yield
            finally:
                listening.cancel()

    async def _listen(self, said: asyncio.StreamReader) -> None:
        async for line in said:
            self._came_back.put_nowait(msgspec.json.decode(line, type=Back))

    async def _token(self, name: str) -> str | None:
        return None if self._fleet.insecure else (await self._client.nodes.invite(name)).token
