"""The store on a primary and its standby, named by one URL: the standby is promoted, and the master goes on."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from fleetfold_master.store import Store, Write
from fleetfold_master.store.tables import node
from fleetfold_shared.errors import Unavailable
from support.effort import effort
from support.node_row import node_row
from support.postgres import Cluster
from support.wait import eventually

WRITERS = 8


async def _write(store: Store, name: str) -> None:
    await store.write(Write(node.insert(), [node_row(name)]))


async def _names(store: Store) -> set[str]:
    return {row["name"] for row in await store.read(select(node.c.name))}


@pytest.mark.dear
async def test_after_a_failover_the_store_writes_to_the_promoted_standby_and_has_all_that_was_acknowledged(
    failover: tuple[Cluster, Cluster],
) -> None:
    primary, standby = failover
    store = await Store.open(f"postgresql://fleet@{primary.address},{standby.address}/postgres")
    acknowledged, enough = set[str](), asyncio.Event()

    async def keep_writing(writer: int) -> None:
        number = 0
        while not enough.is_set():
            name, number = f"w{writer}-{number}", number + 1
            try:
                await _write(store, name)
                acknowledged.add(name)
            except Unavailable:
                await asyncio.sleep(0)

    writers = [asyncio.create_task(keep_writing(writer)) for writer in range(WRITERS)]
    await eventually(lambda: len(acknowledged) >= effort(200))
    await asyncio.to_thread(primary.kill)
    before = len(acknowledged)
    await asyncio.to_thread(standby.execute, "SELECT pg_promote()")
    await eventually(lambda: len(acknowledged) >= before + effort(200))
    enough.set()
    await asyncio.gather(*writers)
    assert acknowledged <= await _names(store)
    assert set(await asyncio.to_thread(standby.execute, "SELECT name FROM node")) >= {(name,) for name in acknowledged}
    await store.close()


@pytest.mark.dear
async def test_a_standby_that_is_named_first_is_passed_over(failover: tuple[Cluster, Cluster]) -> None:
    primary, standby = failover
    store = await Store.open(f"postgresql://fleet@{standby.address},{primary.address}/postgres")
    await _write(store, "a")
    assert await _names(store) == {"a"}
    await store.close()
