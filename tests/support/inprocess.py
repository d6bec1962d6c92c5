"""A fleet in one process: a real broker, a master, children and clients, all below one folder and on a fast pulse."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fleetfold.child import Child
from fleetfold.client import Client
from fleetfold.sources import Source
from fleetfold_broker.embedded import EmbeddedBroker
from fleetfold_master.master import Master
from fleetfold_shared.messages import Searched

__all__ = ["BOOKS", "HEARTBEAT_S", "Fleet", "fleet", "hang", "quick_upkeep", "scores", "statuses"]

HEARTBEAT_S = 0.4
UPKEEP_S = 0.2
BOOKS = "support.books:ACTIONS"


class Fleet:
    """The parts that run, by name. Whatever was started is stopped at the end."""

    client: Client

    def __init__(self, broker: EmbeddedBroker, place: Path) -> None:
        self.broker, self.place = broker, place
        self.master: Master | None = None
        self.children: dict[str, Child] = {}
        self._clients = AsyncExitStack()

    async def start_master(self, data: str = "master") -> None:
        """Start a master on the database in the folder `data`, an empty one if it is new."""
        (self.place / data).mkdir(exist_ok=True)
        self.master = Master(self.broker.url, data=self.place / data, heartbeat_s=HEARTBEAT_S)
        await self.master.start()

    async def stop_master(self) -> None:
        if self.master is not None:
            await self.master.stop()
            self.master = None

    def declare(
        self, name: str, collections: Mapping[str, Source | None] | None = None, *, data: str | None = None, **more: Any
    ) -> Child:
        """A child, not yet started, with these collections and the actions of `support.books`."""
        child = Child(name, url=self.broker.url, data=self.place / (data or name), **more).load(BOOKS)
        for collection, source in (collections or {}).items():
            child.collection(collection, source)
        return child

    async def start(self, child: Child) -> Child:
        await child.start()
        self.children[child.name] = child
        return child

    async def start_child(
        self, name: str, collections: Mapping[str, Source | None] | None = None, **more: Any
    ) -> Child:
        return await self.start(self.declare(name, collections, **more))

    async def stop_child(self, name: str) -> None:
        await self.children.pop(name).stop()

    async def new_client(self, name: str) -> Client:
        """A client, closed at the end."""
        return await self._clients.enter_async_context(await Client.connect(self.broker.url, name=name))

    def effects(self, name: str) -> list[tuple[str, str]]:
        """What the actions of `support.books` have written down on a child: the step, and `do` or `undo`."""
        connection = sqlite3.connect(self.place / name / "node.db")
        try:
            return connection.execute("SELECT step, what FROM effect ORDER BY rowid").fetchall()
        finally:
            connection.close()

    async def close(self) -> None:
        for name in list(self.children):
            await self.stop_child(name)
        await self._clients.aclose()
        await self.stop_master()


@pytest.fixture
async def fleet(broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[Fleet]:
    """A master and a client; children are the test's."""
    fleet = Fleet(broker, tmp_path)
    await fleet.start_master()
    fleet.client = await fleet.new_client("tester")
    yield fleet
    await fleet.close()


@pytest.fixture
def quick_upkeep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masters that look after the broker's streams ten times as often."""
    monkeypatch.setattr("fleetfold_master.master.UPKEEP_S", UPKEEP_S)


def hang(child: Child, collection: str) -> None:
    """Have searches of this collection never end."""

    async def never(_ask: object) -> None:
        await asyncio.Event().wait()

    child._collections[collection].search = never  # type: ignore[assignment,method-assign]


def scores(found: Searched) -> list[tuple[str, float]]:
    """The ids with their scores."""
    return [(hit.id, hit.score) for hit in found.hits]


def statuses(found: Searched) -> dict[str, str]:
    """What became of each node."""
    return {report.node: report.status for report in found.nodes}
