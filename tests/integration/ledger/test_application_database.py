"""Transactional actions in the application's own database, SQLite and PostgreSQL: the effect happens exactly once."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import String, exc, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fleetfold_child.actions import Actions, action
from fleetfold_child.appdatabase import ZOMBIE_S, CommitRefused
from fleetfold_child.context import Context, Refused
from fleetfold_child.databases import Databases
from fleetfold_child.ledger import Ledger
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import CommandResult
from support.application import EFFECT, application, look
from support.executors import command, undo
from support.postgres import Cluster
from support.wait import eventually


class Base(DeclarativeBase):
    pass


class Effect(Base):
    __tablename__ = "effect"
    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    what: Mapped[str] = mapped_column(String(20))


RUNS: list[str] = []


@action(kind="transactional", database="shop")
async def order(ctx: Context, how: str = "") -> dict[str, str]:
    RUNS.append(ctx.command_id)
    await ctx.tx.execute("INSERT INTO effect VALUES (:id, 'do')", {"id": ctx.key})
    if how == "refuses":
        raise Refused("no")
    if how == "raises":
        raise ValueError("on fire")
    if how == "hangs":
        await asyncio.sleep(3600)
    return {"order_id": ctx.key}


@action(kind="transactional", database="shop")
async def cancel(ctx: Context, order_id: str) -> None:
    RUNS.append(ctx.command_id)
    ctx.session.add(Effect(id=order_id + "/undo", what="undo"))


@pytest.fixture
def url(database_url: str) -> str:
    """The application's database, with its own table."""
    look(database_url, EFFECT)
    RUNS.clear()
    return database_url


def effects(url: str) -> list[str]:
    return [f"{what} {key}" for key, what in look(url, "SELECT id, what FROM effect ORDER BY id")]


def cancelling(forward: str = "a", **more: Any) -> Any:
    return undo(forward, "cancel", order_id="{{order_id}}", **more)


async def finished_badly(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next result cannot be written to the ledger: what a crash between the two commits leaves behind."""

    async def fail(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(ledger, "finish", fail)


async def test_an_effect_and_its_marker_are_one_commit(tmp_path: Path, url: str) -> None:
    async with application(tmp_path, url, order) as (node, ledger, _):
        result = await node.handle(command("a", "order"))
        assert result is not None
        assert (result.outcome, result.result) == ("ok", {"order_id": "a"})
        assert await ledger.result_of("a") == result
        [(answer,)] = look(url, "SELECT answer FROM fleetfold_done")
        assert msgspec.json.decode(answer, type=CommandResult) == result
        again = await node.handle(command("a", "order", attempt=2))
        assert again == msgspec.structs.replace(result, attempt=2)
        assert effects(url) == ["do a"]


@pytest.mark.parametrize(("how", "outcome"), [("refuses", "failed"), ("raises", "failed"), ("hangs", "timed_out")])
async def test_what_does_not_end_well_leaves_nothing(tmp_path: Path, url: str, how: str, outcome: str) -> None:
    async with application(tmp_path, url, order) as (node, _, _):
        asked = msgspec.structs.replace(command("a", "order", how=how), timeout_s=0.5)
        result = await node.handle(asked)
        assert result is not None
        assert result.outcome == outcome
        assert look(url, "SELECT command FROM fleetfold_done") == []
        assert effects(url) == []


async def test_a_crash_between_the_two_commits_is_answered_by_the_marker(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with application(tmp_path, url, order) as (node, ledger, _):
        await finished_badly(ledger, monkeypatch)
        with pytest.raises(Unavailable):
            await node.handle(command("a", "order"))
        result = await node.handle(command("a", "order", attempt=2))
        assert result is not None
        assert (result.outcome, result.result, result.attempt, result.starts) == ("ok", {"order_id": "a"}, 2, 2)
        assert (RUNS, effects(url)) == (["a"], ["do a"])


async def test_a_lost_ledger_does_nothing_twice(tmp_path: Path, url: str) -> None:
    for place in ("first", "second", "third"):
        (tmp_path / place).mkdir()
        async with application(tmp_path / place, url, order, cancel) as (node, _, _):
            done = await node.handle(command("a", "order"))
            undone = await node.handle(cancelling(command_id=f"a.c{place}") if place == "third" else cancelling())
            assert done is not None
            assert undone is not None
            assert (done.outcome, undone.outcome) == ("ok", "ok")
        if place == "second":
            assert (RUNS, effects(url)) == (["a", "a.c"], ["do a", "undo a/undo"])


async def test_a_ledger_restored_from_a_backup_does_nothing_twice(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with application(tmp_path, url, order, cancel) as (node, ledger, _):
        await finished_badly(ledger, monkeypatch)
        with pytest.raises(Unavailable):
            await node.handle(command("a", "order"))
    shutil.copy(tmp_path / "node.db", tmp_path / "backup")
    for _ in range(2):
        async with application(tmp_path, url, order, cancel) as (node, _, _):
            undone = await node.handle(cancelling())
            late = await node.handle(command("a", "order", attempt=2))
            assert undone is not None
            assert late is not None
            assert (undone.outcome, undone.tombstone, late.outcome) == ("ok", False, "ok")
        shutil.copy(tmp_path / "backup", tmp_path / "node.db")
    assert (RUNS, effects(url)) == (["a", "a.c"], ["do a", "undo a/undo"])


async def test_all_that_undoes_a_step_undoes_it_once_though_the_ledger_is_lost(tmp_path: Path, url: str) -> None:
    for number, identity in enumerate(("t.x.s.c", "t.x.s.cr2", "t.x.s.c2")):
        (tmp_path / identity).mkdir()
        async with application(tmp_path / identity, url, order, cancel) as (node, _, _):
            if number == 0:
                await node.handle(command("t.x.s.f", "order"))
            result = await node.handle(cancelling("t.x.s.f", command_id=identity))
            assert result is not None
            assert (result.id, result.outcome) == (identity, "ok")
    assert effects(url) == ["do t.x.s.f", "undo t.x.s.f/undo"]


async def test_undoing_what_was_committed_before_a_crash_asks_the_marker_first(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with application(tmp_path, url, order, cancel) as (node, ledger, _):
        await finished_badly(ledger, monkeypatch)
        with pytest.raises(Unavailable):
            await node.handle(command("a", "order"))
        undone = await node.handle(cancelling())
        assert undone is not None
        assert (undone.outcome, undone.tombstone) == ("ok", False)
        assert effects(url) == ["do a", "undo a/undo"]
        late = await node.handle(command("a", "order", attempt=2))
        assert late is not None
        assert (late.outcome, late.result) == ("ok", {"order_id": "a"})
        assert RUNS == ["a", "a.c"]


async def test_what_was_undone_before_it_came_never_runs_though_the_ledger_is_lost(tmp_path: Path, url: str) -> None:
    async with application(tmp_path, url, order, cancel) as (node, _, _):
        undone = await node.handle(cancelling())
        assert undone is not None
        assert (undone.outcome, undone.tombstone) == ("ok", True)
    (tmp_path / "new").mkdir()
    async with application(tmp_path / "new", url, order, cancel) as (node, _, _):
        late = await node.handle(command("a", "order"))
        assert late is not None
        assert (late.outcome, late.tombstone) == ("rejected", True)
        assert (RUNS, effects(url)) == ([], [])


@pytest.mark.parametrize("commits", [True, False])
async def test_a_late_commit_and_a_compensation_are_decided_by_the_marker(
    tmp_path: Path, url: str, commits: bool
) -> None:
    """A process that was taken for dead is still at its transaction while the next one undoes it."""
    async with application(tmp_path, url, order, cancel) as (node, _, _):
        zombie = await Databases.open({"shop": url}, Actions([order]), node="shop")
        held, release = asyncio.Event(), asyncio.Event()

        async def linger() -> None:
            async with zombie.of(order).transaction("a", 30.0) as work:
                await work.execute("INSERT INTO effect VALUES ('a', 'do')")
                held.set()
                await release.wait()
                if commits:
                    ok = CommandResult(id="a", attempt=1, epoch=0, outcome="ok", result={"order_id": "a"}, starts=1)
                    await work.commit(ok)

        lingering = asyncio.create_task(linger())
        await held.wait()
        undoing = asyncio.create_task(node.handle(cancelling()))
        while not await _is_waiting(undoing):
            pass
        release.set()
        undone, _ = await asyncio.gather(undoing, lingering)
        await zombie.close()
        assert undone is not None
        assert undone.outcome == "ok"
        assert undone.tombstone is not commits
        assert effects(url) == (["do a", "undo a/undo"] if commits else [])


async def _is_waiting(task: asyncio.Task[Any]) -> bool:
    """It has had its time to overtake, and has not."""
    done, _ = await asyncio.wait([task], timeout=0.3)
    assert not done
    return True


async def test_the_session_is_in_the_same_transaction_and_cannot_end_it(tmp_path: Path, url: str) -> None:
    @action(kind="transactional", database="shop")
    async def write(ctx: Context, fail: bool = False) -> int:
        ctx.session.add(Effect(id="kept", what="do"))
        await ctx.session.commit()
        ctx.session.add(Effect(id="undone", what="do"))
        await ctx.session.flush()
        await ctx.session.rollback()
        ctx.session.add(Effect(id="pending", what="do"))
        if fail:
            raise ValueError("after a commit of its own")
        return len((await ctx.session.execute(text("SELECT 1 FROM effect"))).all())

    async with application(tmp_path, url, write) as (node, _, _):
        failed = await node.handle(command("a", "write", fail=True))
        assert failed is not None
        assert (failed.outcome, effects(url)) == ("failed", [])
        done = await node.handle(command("b", "write"))
        assert done is not None
        assert (done.outcome, done.result) == ("ok", 2)
        assert effects(url) == ["do kept", "do pending"]


@pytest.mark.parametrize("words", ["COMMIT", " rollback", "END", "Prepare Transaction 'x'"])
async def test_sql_that_would_end_the_transaction_is_refused(tmp_path: Path, url: str, words: str) -> None:
    @action(kind="transactional", database="shop")
    async def end(ctx: Context) -> None:
        await ctx.session.execute(text("INSERT INTO effect VALUES ('x', 'do')"))
        await ctx.session.execute(text(words))

    async with application(tmp_path, url, end) as (node, _, _):
        result = await node.handle(command("a", "end"))
        assert result is not None
        assert "is the node's business; an action only reads and writes" in (result.error or "")
        assert effects(url) == []


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


async def test_many_at_once_take_effect_once_each(tmp_path: Path, url: str) -> None:
    async with application(tmp_path, url, order, concurrency=16) as (node, _, _):
        results = await asyncio.gather(*(node.handle(command(f"c{number}", "order")) for number in range(60)))
        assert {result.outcome for result in results if result} == {"ok"}
        assert len(effects(url)) == len(set(effects(url))) == 60


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


async def test_a_connection_lost_at_the_commit_is_decided_by_the_marker(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = AsyncConnection.commit

    async def lost(connection: AsyncConnection) -> None:
        monkeypatch.undo()
        await commit(connection)
        raise exc.OperationalError("COMMIT", {}, Exception("the server is gone"), connection_invalidated=True)

    @action(kind="transactional", database="shop")
    async def cut_off(ctx: Context) -> int:
        await ctx.tx.execute("INSERT INTO effect VALUES (:id, 'do')", {"id": ctx.key})
        return ctx.starts

    async with application(tmp_path, url, cut_off, cancel) as (node, ledger, _):
        monkeypatch.setattr(AsyncConnection, "commit", lost)
        with pytest.raises(Unavailable, match="lost while it committed"):
            await node.handle(command("a", "cut_off"))
        assert await ledger.result_of("a") is None
        result = await node.handle(command("a", "cut_off", attempt=2))
        assert result is not None
        assert (result.outcome, result.result, effects(url)) == ("ok", 1, ["do a"])


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


async def test_kills_of_the_server_do_nothing_twice_and_lose_nothing_that_was_told(
    tmp_path: Path, postgres: Cluster, postgres_url: str
) -> None:
    look(postgres_url, EFFECT)
    told: dict[str, str] = {}
    done = asyncio.Event()

    async with application(tmp_path, postgres_url, order, concurrency=8) as (node, _, _):

        async def until_told(name: str) -> None:
            for attempt in range(1, 1000):
                try:
                    result = await node.handle(command(name, "order", attempt=attempt))
                except Unavailable:
                    await asyncio.sleep(0.02)
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
            await asyncio.to_thread(postgres.kill)
            await asyncio.to_thread(postgres.start)
        done.set()
        await asyncio.gather(*workers)
    counts = Counter(key for key, _ in look(postgres_url, "SELECT id, what FROM effect"))
    assert set(told.values()) <= {"ok", "failed"}
    assert counts == {name: 1 for name, outcome in told.items() if outcome == "ok"}


async def test_markers_are_forgotten_when_they_are_old(tmp_path: Path, url: str) -> None:
    async with application(tmp_path, url, order) as (node, _, databases):
        for number in range(5):
            await node.handle(command(f"c{number}", "order"))
        look(url, "UPDATE fleetfold_done SET at = 0 WHERE command <> 'c0'")
        await databases.prune(86_400.0)
        assert look(url, "SELECT command FROM fleetfold_done") == [("c0",)]


async def test_what_cannot_work_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="order writes to 'shop', which is not declared; there is none"):
        await Databases.open({}, Actions([order]), node="shop")
    with pytest.raises(InvalidInput, match="database is for actions of kind 'transactional', not 'once'"):
        action(kind="once", database="shop")(order.function)
    for url in ("mysql://a:s3cret@h/x", "nonsense s3cret", "sqlite://", "postgresql://a:s3cret@h:x/y"):
        with pytest.raises(InvalidInput, match=r"databases\.shop: ") as caught:
            await Databases.open({"shop": url}, Actions([order]), node="shop")
        assert "s3cret" not in str(caught.value)
    with pytest.raises(InvalidInput, match="database is a name") as caught:
        action(kind="transactional", database="postgresql://a:s3cret@h/x")(order.function)
    assert "s3cret" not in str(caught.value)


async def test_a_context_without_a_database_says_which_has_one() -> None:
    with pytest.raises(RuntimeError, match="with database="):
        _ = Context(node="n", command_id="c").session
