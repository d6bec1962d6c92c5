"""A whole fleet on real databases: the master's store and an application's, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from fleetfold.child import Child
from fleetfold_shared.errors import FleetfoldError, InvalidInput
from fleetfold_shared.messages import Rollback, StepSpec
from support.appbooks import ACTIONS
from support.application import EFFECT, look
from support.fleet import running_fleet as running_processes
from support.inprocess import Fleet, running_fleet
from support.postgres import Cluster
from support.wait import eventually

UNBOOK = Rollback("unbook", {"entry": "{{entry}}"})


@pytest.fixture
async def fleet(nats_server: str, tmp_path: Path, database_url: str) -> AsyncIterator[Fleet]:
    """A master whose store is at `database_url`, where the application's table is as well."""
    look(database_url, EFFECT)
    async with running_fleet(tmp_path, database_url) as fleet:
        yield fleet


def declared(fleet: Fleet, name: str, url: str) -> Child:
    return Child(name, url=fleet.broker.url, data=fleet.place / name, databases={"shop": url}).add(ACTIONS)


def step(name: str, node: str = "shop", refuse: bool = False) -> StepSpec:
    return StepSpec(name=name, node=node, action="book", params={"refuse": refuse}, rollback=UNBOOK)


def counted(url: str) -> Counter[str]:
    return Counter(what for _, what in look(url, "SELECT id, what FROM effect"))


async def test_jobs_and_transactions_take_effect_in_the_applications_database(fleet: Fleet, database_url: str) -> None:
    for name in ("shop", "outlet"):
        await fleet.start(declared(fleet, name, database_url))
    job = await fleet.client.run("book", nodes=["shop", "outlet"])
    assert job.state == "ok"
    done = await fleet.client.transact([step("a"), step("b", "outlet")])
    undone = await fleet.client.transact([step("a"), step("b", "outlet"), step("c", refuse=True)])
    assert (done.state, undone.state) == ("committed", "rolled_back")
    assert counted(database_url) == {"do": 6, "undo": 2}


async def test_a_master_that_returns_goes_on_from_the_same_database(fleet: Fleet, database_url: str) -> None:
    await fleet.start(declared(fleet, "shop", database_url))
    view = await fleet.client.transact([step("a")])
    await fleet.stop_master()
    await fleet.start_master("another-folder")
    assert (await fleet.client.transactions.get(view.id)).state == "committed"
    assert [node.name for node in (await fleet.client.nodes.list())] == ["shop"]


async def test_the_fleet_outlives_kills_of_the_server(
    nats_server: str, tmp_path: Path, postgres: Cluster, postgres_url: str
) -> None:
    """Master and application share the server that dies: each transaction ends, each effect agrees with its end."""
    look(postgres_url, EFFECT)
    async with running_fleet(tmp_path, postgres_url) as fleet:
        await fleet.start(declared(fleet, "shop", postgres_url))
        done, up, names = asyncio.Event(), asyncio.Event(), list[str]()
        up.set()

        async def transact_on(worker: int) -> None:
            number = 0
            while not done.is_set():
                identity, number = f"w{worker}-{number}", number + 1
                while True:
                    try:
                        await fleet.client.transact([step("a"), step("b", refuse=number % 3 == 0)], id=identity)
                        break
                    except FleetfoldError:
                        await up.wait()  # the same id is the same transaction
                names.append(identity)

        async def some_more() -> None:
            enough = len(names) + 12
            await eventually(lambda: len(names) >= enough or any(worker.done() for worker in workers), 60.0)

        workers = [asyncio.create_task(transact_on(worker)) for worker in range(4)]
        for _ in range(2):
            await some_more()
            up.clear()
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
            up.set()
        await some_more()
        done.set()
        await asyncio.gather(*workers)
        views = [await fleet.client.transactions.get(name) for name in names]
    effects = Counter((key, what) for key, what in look(postgres_url, "SELECT id, what FROM effect"))
    assert {view.state for view in views} <= {"committed", "rolled_back"}
    assert set(effects.values()) == {1}
    for view in views:
        for one in ("a", "b"):
            key = f"t.{view.id}.{one}.f"
            did, undid = effects[key, "do"], effects[key, "undo"]
            assert (did, undid) == (1, 0) if view.state == "committed" else did == undid


async def test_a_node_whose_database_is_not_declared_does_not_start(fleet: Fleet, tmp_path: Path) -> None:
    child = Child("shop", url=fleet.broker.url, data=tmp_path / "shop").add(ACTIONS)
    with pytest.raises(InvalidInput, match="book writes to 'shop', which is not declared"):
        await child.start()


async def test_processes_use_databases_by_variable_and_say_no_password(
    nats_server: str, tmp_path: Path, postgres: Cluster, postgres_url: str
) -> None:
    look(postgres_url, EFFECT)
    name = postgres_url.partition("@/")[2].partition("?")[0]
    secret = f"postgresql://fleet:s3cret@/{name}?{urlencode({'host': str(postgres.place)})}"
    env = {**os.environ, "FLEETFOLD_MASTER_DATABASE": secret, "FLEETFOLD_DATABASE_SHOP": secret}
    async with running_processes(tmp_path) as fleet:
        env |= {key: os.environ[key] for key in ("FLEETFOLD_STATE", "PYTHONPATH")}
        await fleet.start("broker", "broker", "--port", "0")
        await fleet.start("master", "master", env=env)
        words = ("child", "--name", "shop", "--actions", "support.appbooks:ACTIONS", "--database", "shop")
        await fleet.start("shop", *words, env=env)
        async with await fleet.client() as client:
            begun = [asyncio.create_task(client.run("book", nodes=["shop"], id=f"j{number}")) for number in range(20)]
            await eventually(lambda: counted(postgres_url)["do"] > 0)
            await fleet.kill("shop", "master")
            for call in begun:
                call.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
            await fleet.restart("master", "shop")
            for number in range(20):
                assert (await client.run("book", nodes=["shop"], id=f"j{number}")).state == "ok"
        assert counted(postgres_url) == {"do": 20}
    assert look(postgres_url, "SELECT count(*) FROM job") == [(20,)]
    logs = await asyncio.to_thread(_logs, tmp_path)
    assert logs
    assert "s3cret" not in logs


def _logs(place: Path) -> str:
    return "".join(log.read_text() for log in place.glob("*.log"))
