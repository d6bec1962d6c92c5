"""After a crash, with a lost or an old ledger, between a late commit and a compensation: the marker decides."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection

from fleetfold_child.app_database.databases import Databases
from fleetfold_child.commands.actions import Actions, action
from fleetfold_child.commands.context import Context
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import CommandResult
from support.application import application
from support.executors import command
from support.orders import RUNS, cancel, cancelling, effects, finished_badly, order, url

__all__ = ["url"]


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
            assert (undone.outcome, undone.tombstone, late.outcome) == ("ok", False, "rejected")
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
        assert (late.outcome, late.code) == ("rejected", "compensated")
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
        compensating = asyncio.create_task(node.handle(cancelling()))
        while not await _is_waiting(compensating):
            pass
        release.set()
        undone, _ = await asyncio.gather(compensating, lingering)
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
