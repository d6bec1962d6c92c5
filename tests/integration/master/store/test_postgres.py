"""The store on a PostgreSQL that dies, drops connections, or is not there: nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import logging

import pytest
from sqlalchemy import func, select

from fleetfold_master.store import Store, Write
from fleetfold_master.store.database_engines import open_engines
from fleetfold_master.store.tables import node
from fleetfold_shared.errors import InvalidInput, Unavailable
from support.node_row import node_row
from support.postgres import Cluster
from support.wait import eventually

INSERT = node.insert()
NAMES = select(node.c.name)
DROP_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_%'"


async def _names(store: Store) -> set[str]:
    return {row["name"] for row in await store.read(NAMES)}


async def test_a_dropped_connection_is_replaced_and_nobody_notices(postgres: Cluster, postgres_url: str) -> None:
    store = await Store.open(postgres_url)
    await store.write(Write(INSERT, [node_row("before")]))
    await store.read(NAMES)
    await asyncio.to_thread(postgres.execute, DROP_ALL)
    await asyncio.gather(*(store.write(Write(INSERT, [node_row(f"after-{n}")])) for n in range(5)))
    assert await _names(store) == {"before", *(f"after-{n}" for n in range(5))}
    await store.close()


async def test_a_neighbour_that_fails_on_the_new_connection_fails_alone(postgres: Cluster, postgres_url: str) -> None:
    store = await Store.open(postgres_url)
    await store.write(Write(INSERT, [node_row("a")]))
    await asyncio.to_thread(postgres.execute, DROP_ALL)
    outcomes = await asyncio.gather(
        *(store.write(Write(INSERT, [node_row(name)])) for name in ("b", "a", "c")), return_exceptions=True
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["int", "UniqueViolation", "int"]
    await store.close()


async def test_what_was_acknowledged_survives_kills_of_the_server(postgres: Cluster, postgres_url: str) -> None:
    store = await Store.open(postgres_url)
    acknowledged: set[str] = set()
    refused: list[str] = []
    done, up = asyncio.Event(), asyncio.Event()
    up.set()

    async def write_on(worker: int) -> None:
        number = 0
        while not done.is_set():
            name, number = f"w{worker}-{number}", number + 1
            try:
                await store.write(Write(INSERT, [node_row(name)]))
                acknowledged.add(name)
            except Unavailable:
                refused.append(name)
                await up.wait()

    workers = [asyncio.create_task(write_on(worker)) for worker in range(8)]
    for _ in range(4):
        enough = len(acknowledged) + 200
        await eventually(lambda enough=enough: len(acknowledged) >= enough)  # type: ignore[misc]
        up.clear()
        await asyncio.to_thread(postgres.kill)
        await asyncio.to_thread(postgres.start)
        up.set()
    done.set()
    await asyncio.gather(*workers)
    assert acknowledged <= await _names(store)
    await store.close()


async def test_a_server_that_is_gone_is_said_to_be_gone(
    postgres: Cluster, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = await Store.open(postgres_url)
    await asyncio.to_thread(postgres.kill)
    try:
        with pytest.raises(Unavailable, match="database: the master's cannot be used now"):
            await store.write(Write(INSERT, [node_row("a")]))
        with pytest.raises(Unavailable, match="database: the master's cannot be used now"):
            await store.read(NAMES)
        with pytest.raises(Unavailable, match="database: "):
            await Store.open(postgres_url)
    finally:
        await asyncio.to_thread(postgres.start)
    await store.write(Write(INSERT, [node_row("a")]))
    assert await _names(store) == {"a"}
    await store.close()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_an_asynchronous_server_is_made_to_commit_first(postgres: Cluster, postgres_url: str) -> None:
    name = postgres_url.partition("@/")[2].partition("?")[0]
    for asked, given in (("off", "on"), ("remote_apply", "remote_apply")):
        postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = {asked}")
        store = await Store.open(postgres_url)
        [row] = await store.read(select(func.current_setting("synchronous_commit").label("is")))
        assert row["is"] == given
        raw = await store._writer.run(lambda connection: connection.execute("SHOW synchronous_commit").fetchone())
        assert raw == (given,)
        await store.close()


async def test_a_text_with_a_nul_is_kept_without_it(postgres_url: str) -> None:
    store = await Store.open(postgres_url)
    await store.write(Write(INSERT, [node_row("a", title="a\0b")]))
    assert [row["title"] for row in await store.read(select(node.c.title))] == ["a\ufffdb"]
    await store.close()


async def test_masters_that_start_together_migrate_once(postgres_url: str) -> None:
    for store in await asyncio.gather(*(Store.open(postgres_url) for _ in range(3))):
        await store.close()


@pytest.mark.parametrize("url", ["postgresql://ann:s3cret@nowhere.invalid/x", "postgresql://ann:s3cret@h:port/x"])
async def test_a_password_is_in_no_error(postgres: Cluster, url: str) -> None:
    with pytest.raises((Unavailable, InvalidInput)) as caught:
        await Store.open(url)
    assert "s3cret" not in str(caught.value) + repr(caught.value.__cause__)


def test_a_server_that_vanishes_is_noticed(postgres: Cluster) -> None:
    engine, _ = open_engines("postgresql://host/x?keepalives_idle=3")
    assert engine.url.query["keepalives_idle"] == "3"
    assert engine.url.query["tcp_user_timeout"] == "15000"
