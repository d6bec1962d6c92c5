"""A fleet in one process: a real broker, a master, children and clients, all below one folder and on a fast pulse."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetfold.child import Child
from fleetfold.child_options import ChildOptions
from fleetfold.client import Client
from fleetfold.credentials import LocalKey, write_local_key
from fleetfold.master_collections import MasterDocuments
from fleetfold.source_readings import Source
from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.message_seals import MasterSeals
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_child.node.node import Node
from fleetfold_master.master import Master
from fleetfold_master.nodes.node_gateway import NodeGateway
from fleetfold_shared.config import AccessConfig, AnsweringConfig, CallbacksConfig
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError
from fleetfold_shared.messages import ClientRole, KeyCreate, Searched

__all__ = [
    "BOOKS", "HEARTBEAT_S", "Fleet", "failures", "fleet", "hang", "in_time_but", "quick_callers", "quick_upkeep",
    "running_fleet", "scores", "statuses",
]  # fmt: skip

HEARTBEAT_S = 1.0
SAVE_S = 0.2
GRACE_S = 1.0
"""What is made to hang is not waited for as long as real work is."""
BOOKS = "support.books:ACTIONS"


class Fleet:
    """The parts that run, by name. Whatever was started is stopped at the end."""

    client: Client

    def __init__(self, broker: EmbeddedBroker, place: Path, keys: BrokerKeys) -> None:
        self.broker, self.place, self.keys = broker, place, keys
        self.seals = MasterSeals(keys.issuer)
        self.access = AccessConfig()
        self.ask = AnsweringConfig()
        self.database: str | None = None
        self.redact: list[str] = []
        self.callbacks = CallbacksConfig()
        self.master: Master | None = None
        self.children: dict[str, Child] = {}
        self._clients = AsyncExitStack()

    async def start_master(
        self, data: str = "master", own: MasterDocuments | None = None, *, new: bool = False
    ) -> None:
        """Start a master on the database in the folder `data`; `own` are its collections. A `new` one begins without
        the database that is missing.
        """
        (self.place / data).mkdir(exist_ok=True)
        self.master = Master(
            self.broker.url, data=self.place / data, heartbeat_s=HEARTBEAT_S, access=self.access,
            keys=self.place / "keys", ask=self.ask, own=own, database=self.database, callbacks=self.callbacks,
            redact=self.redact, new=new,
        )  # fmt: skip
        await self.master.start()
        kept = LocalKey(self.broker.url, "cli", await self.master.local_key())
        write_local_key(self.place / "keys", kept)

    @asynccontextmanager
    async def another_master(self, data: str = "second", first: str = "master") -> AsyncIterator[Master]:
        """A second master on the database of the first, in the folder `data`."""
        (self.place / data).mkdir(exist_ok=True)
        other = Master(
            self.broker.url, data=self.place / data, heartbeat_s=HEARTBEAT_S, access=self.access,
            keys=self.place / "keys", ask=self.ask, database=f"sqlite:///{self.place / first / 'master.db'}",
        )  # fmt: skip
        await other.start()
        try:
            yield other
        finally:
            await other.stop()

    async def stop_master(self) -> None:
        if self.master is not None:
            await self.master.stop()
            self.master = None

    def declare(
        self, name: str, collections: Mapping[str, Source | None] | None = None, *, data: str | None = None, **more: Any
    ) -> Child:
        """A child, not yet started, with these collections and the actions of `support.books`."""
        chosen = {field: more.pop(field) for field in ChildOptions.__struct_fields__ if field in more}
        place = self.place / (data or name)
        child = Child(name, url=self.broker.url, data=place, options=ChildOptions(**chosen), **more).load(BOOKS)
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

    async def vanish_child(self, name: str) -> None:
        """End a child as kill -9 would: it says no goodbye, and its last heartbeat is fresh."""
        child = self.children.pop(name)
        assert child._node is not None
        await child._node._tasks.cancel()
        await child._node._bus.close()
        await child._open.aclose()

    async def new_key(self, name: str, role: ClientRole = "admin", **more: Any) -> str:
        """An API key for the identity `name`."""
        assert self.master is not None
        return (await self.master._access.keys.create(KeyCreate(name=name, role=role, **more), "tests")).key

    async def new_client(self, name: str, role: ClientRole = "admin", **more: Any) -> Client:
        """A client of that name and role, closed at the end."""
        key = await self.new_key(name, role, **more)
        return await self._clients.enter_async_context(await Client.connect(self.broker.url, key=key))

    @asynccontextmanager
    async def masters_bus(self) -> AsyncIterator[Bus]:
        """A bus with all that a master may say and hear."""
        options = ConnectionOptions(url=self.broker.url, caller="master", seed=self.keys.fleet)
        async with await Bus.open(options) as bus:
            yield bus

    async def store_command(self, node: str, data: bytes, *, sealed: bool = True) -> None:
        """Put `data` into the node's queue, as a master does."""
        async with self.masters_bus() as bus:
            subject = bus.subjects.command(node)
            await bus.store(subject, data, self.seals.sealed(node, subject, data, {}) if sealed else None, 5.0)

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


@asynccontextmanager
async def running_fleet(place: Path, database: str | None = None) -> AsyncIterator[Fleet]:
    """A broker that asks who everybody is, a master and a client below `place`, which is the state directory.

    The master's database is there too, unless it is at the URL `database`.
    """
    keys = BrokerKeys.load(place / "keys", {})
    broker = EmbeddedBroker(place / "broker", identity=keys.public)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEETFOLD_STATE", str(place))
        for variable in ("FLEETFOLD_URL", "FLEETFOLD_API_KEY", "FLEETFOLD_API_KEY_FILE"):
            patch.delenv(variable, raising=False)
        patch.setattr("fleetfold_master.master.GRACE_S", GRACE_S)
        patch.setattr(Node.stop, "__defaults__", (GRACE_S,))
        await broker.start()
        fleet = Fleet(broker, place, keys)
        fleet.database = database
        try:
            await fleet.start_master()
            fleet.client = await fleet.new_client("tester")
            yield fleet
        finally:
            await fleet.close()
            await broker.stop()


@pytest.fixture
async def fleet(nats_server: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """A master and a client; children are the test's."""
    async with running_fleet(tmp_path) as fleet:
        yield fleet


@pytest.fixture
def quick_upkeep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masters that look after the broker's streams ten times as often."""
    monkeypatch.setattr("fleetfold_master.runtime.periodic_tasks.SAVE_S", SAVE_S)


@pytest.fixture
def quick_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that soon ask again for what a master has died over."""
    monkeypatch.setattr("fleetfold.caller.LONG_POLL_S", 1.0)
    monkeypatch.setattr("fleetfold.caller.ANSWER_S", 2.0)
    monkeypatch.setattr("fleetfold.caller.SILENCE_S", 2.0)


def failures(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[FleetfoldError]:
    """What the client's requests fail with from now on, whether it asks again or not."""
    ask, failed = client._caller.bus.ask_api, list[FleetfoldError]()

    async def watched(verb: str, data: bytes, timeout_s: float, *, repeatable: bool) -> Incoming:
        try:
            return await ask(verb, data, timeout_s, repeatable=repeatable)
        except FleetfoldError as error:
            failed.append(error)
            raise

    monkeypatch.setattr(client._caller.bus, "ask_api", watched)
    return failed


async def in_time_but(hung: str, search: Callable[[float], Awaitable[Searched]]) -> Searched:
    """The answer within a deadline that all but the `hung` node can keep on this machine: a longer one, if need be.

    Three deadlines, so that its breaker opens only after the last.
    """
    for timeout_s in (0.5, 4.0):
        try:
            found = await search(timeout_s)
        except DeadlineExceeded:
            continue
        if all(status != "timeout" for node, status in statuses(found).items() if node != hung):
            return found
    return await search(20.0)


def hang(child: Child, collection: str) -> None:
    """Have searches of this collection never end."""

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    child._collections[collection].search = never  # type: ignore[assignment,method-assign]


def gateway_of(master: Master) -> NodeGateway:
    """The master's gateway to the nodes, which it keeps for itself."""
    gateway = master._cluster.results._learn.__self__  # type: ignore[attr-defined]
    assert isinstance(gateway, NodeGateway)
    return gateway


def scores(found: Searched) -> list[tuple[str, float]]:
    """The ids with their scores."""
    return [(hit.id, hit.score) for hit in found.hits]


def statuses(found: Searched) -> dict[str, str]:
    """What became of each node."""
    return {report.node: report.status for report in found.nodes}
