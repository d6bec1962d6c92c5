"""Actions on a PostgreSQL that dies, drops connections, refuses, or waits for a frozen process."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from fleetfold_child.app_database.application_database import ZOMBIE_S, CommitRefused
from fleetfold_child.app_database.databases import Databases
from fleetfold_child.commands.actions import Actions, action
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.executor import ExecutionLimits
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import CommandResult
from support.application import EFFECT, application, look
from support.executors import command
from support.orders import RUNS, cancel, cancelling, effects, finished_badly, order
from support.postgres import Cluster
from support.wait import eventually


async def test_an_error_that_the_handler_swallows_is_no_success(tmp_path: Path, postgres_url: str) -> None:
    """PostgreSQL ends a transaction at its first error, and would answer a commit with a silent rollback."""
    look(postgres_url, EFFECT)

    @action(kind="transactional", database="shop")
    async def swallow(ctx: Context) -> str:
        await ctx.tx.execute("INSERT INTO effect VALUES ('x', 'do')")
        try:
            await ctx.tx.execute("SELECT nonsense")
        except Exception:  # noqa: BLE001  # an application may do that
            return "fine"
        return "?"

    async with application(tmp_path, postgres_url, swallow) as (node, _, _):
        result = await node.handle(command("a", "swallow"))
        assert result is not None
        assert result.outcome == "failed"
        assert "could not be committed" in (result.error or "")
        assert effects(postgres_url) == []


async def test_a_constraint_that_is_checked_at_the_commit_fails_the_action(tmp_path: Path, postgres_url: str) -> None:
    look(postgres_url, "CREATE TABLE effect (id TEXT PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, what TEXT)")

    @action(kind="transactional", database="shop")
    async def twice(ctx: Context) -> None:
        for _ in range(2):
            await ctx.tx.execute("INSERT INTO effect VALUES (%s, 'do')", ("x",))

    async with application(tmp_path, postgres_url, twice) as (node, _, _):
        result = await node.handle(command("a", "twice"))
        assert result is not None
        assert result.outcome == "failed"
        assert "duplicate key" in (result.error or "")
        assert look(postgres_url, "SELECT command FROM fleetfold_done") == []


async def test_a_database_that_is_away_fails_what_is_new_and_holds_what_may_have_happened(
    tmp_path: Path, postgres: Cluster, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(postgres_url, EFFECT)
    RUNS.clear()
    async with application(tmp_path, postgres_url, order, cancel) as (node, ledger, _):
        await finished_badly(ledger, monkeypatch)
        with pytest.raises(Unavailable):
            await node.handle(command("a", "order"))
        await asyncio.to_thread(postgres.kill)
        try:
            new = await node.handle(command("b", "order"))
            assert new is not None
            assert new.outcome == "failed"
            assert "databases.shop: it cannot be used now" in (new.error or "")
            for held in (command("a", "order", attempt=2), cancelling()):
                with pytest.raises(Unavailable):
                    await node.handle(held)
        finally:
            await asyncio.to_thread(postgres.start)
        result = await node.handle(command("a", "order", attempt=3))
        assert result is not None
        assert (result.outcome, effects(postgres_url)) == ("ok", ["do a"])


async def test_a_connection_lost_before_the_commit_leaves_nothing(
    tmp_path: Path, postgres: Cluster, postgres_url: str
) -> None:
    look(postgres_url, EFFECT)
    drop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_%'"

    @action(kind="transactional", database="shop")
    async def cut_off(ctx: Context) -> str:
        await ctx.tx.execute("INSERT INTO effect VALUES (:id, 'do')", {"id": f"{ctx.key}-{ctx.starts}"})
        if ctx.key == "a":
            await asyncio.to_thread(postgres.execute, drop)
        return "done"

    async with application(tmp_path, postgres_url, cut_off) as (node, _, _):
        result = await node.handle(command("a", "cut_off"))
        assert result is not None
        assert (result.outcome, effects(postgres_url)) == ("failed", [])
        result = await node.handle(command("b", "cut_off"))
        assert result is not None
        assert (result.outcome, effects(postgres_url)) == ("ok", ["do b-1"])


async def test_a_frozen_process_is_not_waited_for_longer_than_its_action_may_take(
    tmp_path: Path, postgres_url: str
) -> None:
    look(postgres_url, EFFECT)
    async with application(tmp_path, postgres_url, order, cancel) as (node, _, _):
        frozen = await Databases.open({"shop": postgres_url}, Actions([order]), node="shop")
        async with frozen.of(order).transaction("a", 0.3 - ZOMBIE_S) as work:
            await work.execute("INSERT INTO effect VALUES ('a', 'do')")
            undone = await node.handle(cancelling())
            assert undone is not None
            assert (undone.outcome, undone.tombstone) == ("ok", True)
            ok = CommandResult(id="a", attempt=1, epoch=0, outcome="ok", starts=1)
            with pytest.raises((CommitRefused, Unavailable)):
                await work.commit(ok)
        await frozen.close()
        assert effects(postgres_url) == []


async def test_a_user_who_may_make_no_table_is_told_what_to_have_made(
    tmp_path: Path, postgres: Cluster, postgres_url: str
) -> None:
    postgres.execute("DROP ROLE IF EXISTS limited")
    postgres.execute("CREATE ROLE limited LOGIN")
    url = postgres_url.replace("//fleet@", "//limited@")
    with pytest.raises(InvalidInput, match=r"cannot make its table fleetfold_done.*make it: CREATE TABLE") as caught:
        await Databases.open({"shop": url}, Actions([order]), node="shop")
    for statement in (
        EFFECT, caught.value.message.partition("make it: ")[2], "GRANT ALL ON ALL TABLES IN SCHEMA public TO limited",
    ):  # fmt: skip
        look(postgres_url, statement)
    async with application(tmp_path, url, order) as (node, _, _):
        result = await node.handle(command("a", "order"))
        assert result is not None
        assert result.outcome == "ok"


@pytest.mark.dear
async def test_kills_of_the_server_do_nothing_twice_and_lose_nothing_that_was_told(
    tmp_path: Path, postgres: Cluster, postgres_url: str
) -> None:
    look(postgres_url, EFFECT)
    told: dict[str, str] = {}
    done, up = asyncio.Event(), asyncio.Event()
    up.set()

    async with application(tmp_path, postgres_url, order, limits=ExecutionLimits(concurrency=8)) as (node, _, _):

        async def until_told(name: str) -> None:
            for attempt in range(1, 1000):
                try:
                    result = await node.handle(command(name, "order", attempt=attempt))
                except Unavailable:
                    await up.wait()
                    continue
                assert result is not None
                told[name] = result.outcome
                return

        async def work_on(worker: int) -> None:
            number = 0
            while not done.is_set():
                await until_told(f"w{worker}-{number}")
                number += 1

        workers = [asyncio.create_task(work_on(worker)) for worker in range(6)]
        for _ in range(3):
            enough = len(told) + 60
            await eventually(lambda enough=enough: len(told) >= enough)  # type: ignore[misc]
            up.clear()
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
            up.set()
        done.set()
        await asyncio.gather(*workers)
    counts = Counter(key for key, _ in look(postgres_url, "SELECT id, what FROM effect"))
    assert set(told.values()) <= {"ok", "failed"}
    assert counts == {name: 1 for name, outcome in told.items() if outcome == "ok"}
