"""The master's database: opened, migrated, written by many, refused when it is not ours."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import pkgutil
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import exc, select

from fleetfold_master import store as master_store
from fleetfold_master.nodes.node_rows import NodeRows, StoredNode
from fleetfold_master.store import Store, Write
from fleetfold_master.store.compiled_statements import insert_once
from fleetfold_master.store.database_engines import open_engines
from fleetfold_master.store.tables import metadata, node
from fleetfold_shared.errors import Conflict, InvalidInput, Unavailable
from fleetfold_shared.messages import NodeDescription
from support.node_row import node_row

INSERT = node.insert()
INSERT_ONCE = insert_once(node)


async def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    await (await Store.open(f"sqlite:///{tmp_path}/deep/down/master.db")).close()
    assert (tmp_path / "deep/down/master.db").is_file()


async def test_the_migrations_make_the_tables_of_the_code(database_url: str) -> None:
    for found in pkgutil.iter_modules(master_store.__path__, f"{master_store.__name__}."):
        importlib.import_module(found.name)  # each module of tables adds its own to the metadata
    store = await Store.open(database_url)
    await store.close()
    engine, _ = open_engines(database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


async def test_what_was_written_is_there_after_a_restart(database_url: str) -> None:
    url = database_url
    for name in ("a", "b"):
        store = await Store.open(url)
        await store.write(Write(INSERT, [node_row(name)]))
        await store.close()
    store = await Store.open(url)
    assert [row["name"] for row in await store.read(select(node.c.name).order_by(node.c.name))] == ["a", "b"]
    await store.close()


async def test_one_failing_write_does_not_fail_its_neighbours(database_url: str) -> None:
    store = await Store.open(database_url)
    names = ["a", "b", "a", "c"]
    outcomes = await asyncio.gather(
        *(store.write(Write(INSERT, [node_row(name)])) for name in names), return_exceptions=True
    )
    assert outcomes == [1, 1, outcomes[2], 1]
    assert type(outcomes[2]).__name__ in {"IntegrityError", "UniqueViolation"}
    assert len(await store.read(select(node))) == 3
    await store.close()


async def test_only_the_first_claim_of_a_key_is_granted(database_url: str) -> None:
    store = await Store.open(database_url)
    claims = [
        store.claim(Write(INSERT_ONCE, [node_row("a")]), Write(INSERT, [node_row(f"belongs-{i}")])) for i in range(5)
    ]
    assert sorted(await asyncio.gather(*claims)) == [False] * 4 + [True]
    assert len(await store.read(select(node))) == 2
    await store.close()


async def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "master.db"
    await (await Store.open(f"sqlite:///{path}")).close()
    database = sqlite3.connect(path)
    database.execute("update alembic_version set version_num = 'r9999'")
    database.commit()
    database.close()
    with pytest.raises(Conflict, match=r"newer fleetfold.*r9999"):
        await Store.open(f"sqlite:///{path}")


async def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "master.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("create table timeline (something_else)")
    with pytest.raises((InvalidInput, Unavailable), match="already exists"):
        await Store.open(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("select name from sqlite_master where type = 'table'").fetchall() == [("timeline",)]


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Buy milk. " * 1000)
    with pytest.raises(InvalidInput, match="not a database"):
        await Store.open(f"sqlite:///{path}")
    assert path.read_text().startswith("Buy milk.")


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:"])
async def test_an_unusable_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(InvalidInput, match="database: "):
        await Store.open(url)


async def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="folder"):
        await Store.open(f"sqlite:///{tmp_path}/file/master.db")
    with pytest.raises((Unavailable, exc.OperationalError), match="cannot open"):
        await Store.open(f"sqlite:///{tmp_path}")


async def test_nodes_come_back_as_they_were_put(database_url: str) -> None:
    store = await Store.open(database_url)
    nodes = NodeRows(store)
    shop = StoredNode(
        name="shop",
        state="active",
        description=NodeDescription(incarnation="i1", version="1.0", labels={"role": "shop"}),
        registered_at=10.0,
    )
    await nodes.put(shop)
    assert await nodes.get("shop") == shop
    assert await nodes.update("shop", title="The shop", labels={"eu": "yes"}, weight=2.0)
    await nodes.seen({"shop": 12.5, "nobody": 1.0})
    assert await nodes.get("shop") == StoredNode(
        name="shop",
        state="active",
        description=shop.description,
        title="The shop",
        labels={"eu": "yes"},
        weight=2.0,
        registered_at=10.0,
        last_seen_at=12.5,
    )
    assert not await nodes.update("nobody", title="")
    await store.close()


async def test_a_removed_node_is_kept_aside_and_may_return(database_url: str) -> None:
    store = await Store.open(database_url)
    nodes = NodeRows(store)
    blog = StoredNode(
        name="blog", state="active", description=NodeDescription(incarnation="i", version="1"), registered_at=1.0
    )
    await nodes.put(blog)
    assert await nodes.remove("blog", at=5.0)
    assert not await nodes.remove("blog", at=6.0)
    assert await nodes.list() == []
    assert [(each.state, each.removed_at) for each in await nodes.list(removed=True)] == [("removed", 5.0)]
    await nodes.put(blog)
    assert await nodes.list() == [blog]
    await store.close()


async def test_the_space_of_deleted_rows_is_given_back(database_url: str, tmp_path: Path) -> None:
    store = await Store.open(database_url)
    rows = [{**node_row(f"n{number}"), "description": "x" * 3000} for number in range(4000)]
    await store.write(Write(INSERT, rows))
    before = sum(file.stat().st_size for file in tmp_path.glob("master.db*"))  # noqa: ASYNC240  # a moment
    await store.write(Write(node.delete(), [{}]))
    await store.tidy()
    await store.close()
    after = sum(file.stat().st_size for file in tmp_path.glob("master.db*"))  # noqa: ASYNC240  # a moment
    assert after < before / 2 or "postgresql" in database_url
