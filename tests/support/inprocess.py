"""A fleet in one process: a real broker, a master, children and clients, all below one folder and on a fast pulse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fleetfold.child import Child
from fleetfold.client import Client
from fleetfold.sources import Source
from fleetfold_broker.embedded import EmbeddedBroker
from fleetfold_child.index import Collection
from fleetfold_master import master as master_room
from fleetfold_master.master import Master
from fleetfold_shared.messages import NodeReport, Searched
from support.broker import Connect, connect
from support.wait import eventually

__all__ = ["BOOKS", "HEARTBEAT_S", "Fleet", "connect", "documents", "fleet", "hang", "scores", "statuses"]

HEARTBEAT_S = 0.4
UPKEEP_S = 0.1
BOOKS = "support.books:ACTIONS"

Documents = Iterable[Mapping[str, Any]]


class Fleet:
    """The parts that run, by name. Whatever was started is stopped at the end."""

    def __init__(self, broker: EmbeddedBroker, place: Path, connect: Connect) -> None:
        self.broker, self.place, self.connect = broker, place, connect
        self.master: Master | None = None
        self.children: dict[str, Child] = {}
        self.client: Client
        self._clients = AsyncExitStack()

    async def open(self) -> None:
        """A master and a client."""
        await self.start_master()
        self.client = await self.new_client("tester")

    async def start_master(self, data: str = "master") -> None:
        """Start a master on the database in the folder `data`, an empty one if it is new."""
        (self.place / data).mkdir(exist_ok=True)
        self.master = Master(self.broker.url, data=self.place / data, heartbeat_s=HEARTBEAT_S)
        await self.master.start()

    async def stop_master(self) -> None:
        assert self.master is not None
        await self.master.stop()
        self.master = None

    def declare(self, name: str, *, data: str | None = None, **more: Any) -> Child:
        """A child, not yet started, with its data in a folder of its own."""
        return Child(name, url=self.broker.url, data=self.place / (data or name), **more)

    async def start_child(
        self, name: str, collections: Mapping[str, Source | None] | None = None, *actions: Any, **more: Any
    ) -> Child:
        """Declare and start a child with these collections, and the actions of `support.books`."""
        child = self.declare(name, **more).load(BOOKS).add(*actions)
        for collection, source in (collections or {}).items():
            child.collection(collection, source)
        return await self.start(child)

    async def start(self, child: Child) -> Child:
        await child.start()
        self.children[child.name] = child
        return child

    async def stop_child(self, name: str) -> None:
        await self.children.pop(name).stop()

    async def new_client(self, name: str) -> Client:
        return await self._clients.enter_async_context(await Client.connect(self.broker.url, name=name))

    async def settled(self) -> None:
        """Return when the master's statistics are those of the children."""
        await asyncio.sleep(0)
        counts = {name: sum(child.documents.values()) for name, child in self.children.items()}
        corpora = self._corpora()

        def known() -> bool:
            sizes = {
                name: sum(corpora.merged([(name, collection)]).documents for collection in child.documents)
                for name, child in self.children.items()
            }
            return sizes == counts

        await eventually(known)

    async def close(self) -> None:
        for name in list(self.children):
            await self.stop_child(name)
        await self._clients.aclose()
        if self.master is not None:
            await self.master.stop()
