"""Transactional actions in the application's own database, SQLite and PostgreSQL: the effect happens exactly once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from fleetfold_child.app_database.databases import Databases
from fleetfold_child.commands.actions import Actions, action
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.executor import ExecutionLimits
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import CommandResult
from support.application import application, look
from support.executors import command
from support.orders import Effect, effects, order, url

__all__ = ["url"]


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
        asked = msgspec.structs.replace(command("a", "order", how=how), timeout_s=20.0)
        result = await node.handle(asked)
        assert result is not None
        assert result.outcome == outcome
        assert look(url, "SELECT command FROM fleetfold_done") == []
        assert effects(url) == []


async def test_an_effect_whose_result_cannot_be_carried_is_not_committed(tmp_path: Path, url: str) -> None:
    @action(kind="transactional", database="shop")
    async def write(ctx: Context) -> Any:
        ctx.session.add(Effect(id="a", what="do"))
        return {"total": float("nan")}

    async with application(tmp_path, url, write) as (node, _, _):
        result = await node.handle(command("a", "write"))
        assert result is not None
        assert (result.outcome, effects(url)) == ("failed", [])
        assert "result.total: nan" in (result.error or "")
        assert look(url, "SELECT command FROM fleetfold_done") == []


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


async def test_many_at_once_take_effect_once_each(tmp_path: Path, url: str) -> None:
    async with application(tmp_path, url, order, limits=ExecutionLimits(concurrency=16)) as (node, _, _):
        results = await asyncio.gather(*(node.handle(command(f"c{number}", "order")) for number in range(60)))
        assert {result.outcome for result in results if result} == {"ok"}
        assert len(effects(url)) == len(set(effects(url))) == 60


async def test_an_idempotency_row_is_forgotten_with_its_ledger_row_and_not_by_its_age(tmp_path: Path, url: str) -> None:
    async with application(tmp_path, url, order) as (node, ledger, databases):
        for number in range(5):
            await node.handle(command(f"c{number}", "order"))
        look(url, "UPDATE fleetfold_done SET at = 0")
        await ledger.confirm("c1", "c2", "c3", "c4")
        assert await ledger.prune(-60, databases.forget) == 4
        assert look(url, "SELECT command FROM fleetfold_done") == [("c0",)]


async def test_what_cannot_work_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="order writes to 'shop', which is not declared; there is none"):
        await Databases.open({}, Actions([order]), node="shop")
    with pytest.raises(InvalidInput, match="database is for actions of kind 'transactional', not 'once'"):
        action(kind="once", database="shop")(order.function)
    for bad in ("mysql://a:s3cret@h/x", "nonsense s3cret", "sqlite://", "postgresql://a:s3cret@h:x/y"):
        with pytest.raises(InvalidInput, match=r"databases\.shop: ") as caught:
            await Databases.open({"shop": bad}, Actions([order]), node="shop")
        assert "s3cret" not in str(caught.value)
    with pytest.raises(InvalidInput, match="database is a name") as caught:
        action(kind="transactional", database="postgresql://a:s3cret@h/x")(order.function)
    assert "s3cret" not in str(caught.value)


async def test_a_context_without_a_database_says_which_has_one() -> None:
    with pytest.raises(RuntimeError, match="with database="):
        _ = Context(node="n", command_id="c").session
