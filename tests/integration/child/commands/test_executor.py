"""The executor on a real ledger: the outcomes, duplicates, transactions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_child.commands.executor import ExecutionLimits
from fleetfold_shared.errors import NotFound
from support.executors import command, executor
from support.looptime import outlast


class Order(msgspec.Struct):
    order_id: str
    quantity: int


@action(kind="transactional")
async def create(ctx: Context, quantity: int = 1, fail: bool = False) -> Order:
    await ctx.tx.execute("INSERT INTO orders (id, quantity) VALUES (?, ?)", (ctx.key, quantity))
    if fail:
        raise ValueError("the printer\nis on fire")
    return Order(ctx.key, quantity)


TABLE = "CREATE TABLE orders (id TEXT PRIMARY KEY, quantity INTEGER CHECK (quantity < 100))"


async def orders(ledger: Any) -> list[str]:
    return [row["id"] for row in await ledger.database.execute("SELECT id FROM orders ORDER BY id")]


async def test_an_effect_and_its_result_are_one_commit(tmp_path: Path) -> None:
    async with executor(tmp_path, create) as (node, ledger):
        await ledger.database.execute(TABLE)
        result = await node.handle(command("a", "create", quantity=3))
        assert result is not None
        assert (result.outcome, result.result, result.starts) == ("ok", {"order_id": "a", "quantity": 3}, 1)
        assert await ledger.result_of("a") == result
        assert await orders(ledger) == ["a"]


async def test_a_transaction_that_raises_leaves_no_effect(tmp_path: Path) -> None:
    async with executor(tmp_path, create) as (node, ledger):
        await ledger.database.execute(TABLE)
        failed = await node.handle(command("a", "create", fail=True))
        refused = await node.handle(command("b", "create", quantity=100))
        assert failed is not None
        assert (failed.outcome, failed.error) == ("failed", "ValueError: the printer is on fire")
        assert refused is not None
        assert refused.error == "IntegrityError: CHECK constraint failed: quantity < 100"
        assert await orders(ledger) == []


async def test_a_redelivered_command_takes_effect_once(tmp_path: Path) -> None:
    async with executor(tmp_path, create) as (node, ledger):
        await ledger.database.execute(TABLE)
        first = await node.handle(command("a", "create"))
        again = await node.handle(command("a", "create", attempt=2, epoch=4))
        assert first is not None
        assert again == msgspec.structs.replace(first, attempt=2, epoch=4)
        assert await orders(ledger) == ["a"]


async def test_a_duplicate_of_a_running_command_waits_for_the_same_end(tmp_path: Path) -> None:
    begun, go, runs = asyncio.Event(), asyncio.Event(), []

    @action
    async def slow(ctx: Context) -> str:
        runs.append(ctx.starts)
        begun.set()
        await go.wait()
        return "done"

    async with executor(tmp_path, slow) as (node, _):
        first = asyncio.create_task(node.handle(command("a", "slow")))
        await begun.wait()
        second = asyncio.create_task(node.handle(command("a", "slow", attempt=2)))
        await asyncio.sleep(0)
        assert node.in_flight == 1
        go.set()
        results = await asyncio.gather(first, second)
        assert [(r.outcome, r.attempt) for r in results if r] == [("ok", 1), ("ok", 2)]
        assert runs == [1]


@action
async def strange(ctx: Context, how: str) -> Any:
    """Ends in many ways."""
    match how:
        case "refuses":
            raise Refused("too few left")
        case "misses":
            raise NotFound("there is no such customer")
        case "is no JSON":
            return object()
        case "is too much":
            return "x" * 2000
        case "times out by itself":
            raise TimeoutError("the shop did not answer")
        case "cancels itself":
            raise asyncio.CancelledError
        case "writes through tx":
            return await ctx.tx.execute("SELECT 1")
        case "asks for another collection":
            return ctx.collection("posts")
        case _:
            return await outlast()


@pytest.mark.parametrize(
    ("how", "outcome", "said"),
    [
        ("refuses", "failed", "too few left"),
        ("misses", "failed", "there is no such customer"),
        ("is no JSON", "no_result", "its effect stands; its result could not be carried: it cannot be said in JSON"),
        ("is too much", "no_result", "could not be carried: it is 2002 bytes of JSON; at most 1000 can travel"),
        ("times out by itself", "failed", "TimeoutError: the shop did not answer"),
        ("cancels itself", "failed", "CancelledError: the handler cancelled itself"),
        ("writes through tx", "failed", "ctx.tx is for actions of kind 'transactional'"),
        ("asks for another collection", "failed", "this node has no such collection; it has none"),
        ("hangs", "timed_out", "it took longer than 20 s"),
    ],
)
async def test_however_a_handler_ends_there_is_an_outcome(tmp_path: Path, how: str, outcome: str, said: str) -> None:
    async with executor(tmp_path, strange, limits=ExecutionLimits(max_result_bytes=1000)) as (node, ledger):
        asked = msgspec.structs.replace(command("a", "strange", how=how), timeout_s=20.0)
        result = await node.handle(asked)
        assert result is not None
        assert result.outcome == outcome
        assert result.error is not None
        assert said in result.error
        assert await ledger.result_of("a") == result


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("sing", {}, "sing: shop has no such action; it has strange"),
        ("strange", {"how": 3}, "how: Expected `str`, got `int`"),
        ("strange", {}, "how: strange needs this parameter"),
        ("", {}, "no such action"),
    ],
)
async def test_what_cannot_be_run_is_rejected_for_good(
    tmp_path: Path, name: str, params: dict[str, Any], said: str
) -> None:
    async with executor(tmp_path, strange) as (node, _):
        first, again = [await node.handle(command("a", name, **params)) for _ in range(2)]
        assert first is not None
        assert (first.outcome, first.starts) == ("rejected", 0)
        assert said in (first.error or "")
        assert again == first


async def test_a_command_that_comes_too_late_is_not_started(tmp_path: Path) -> None:
    async with executor(tmp_path, create) as (node, ledger):
        await ledger.database.execute(TABLE)
        late = await node.handle(msgspec.structs.replace(command("a", "create"), start_within_s=2.0), age_s=3.0)
        assert late is not None
        assert (late.outcome, late.starts) == ("timed_out", 0)
        assert await orders(ledger) == []


async def test_sql_that_would_end_the_transaction_is_refused(tmp_path: Path) -> None:
    @action(kind="transactional")
    async def commit(ctx: Context) -> None:
        await ctx.tx.execute("INSERT INTO orders VALUES ('x', 1)")
        await ctx.tx.execute(" commit")

    @action(kind="transactional")
    async def swallow(ctx: Context) -> None:
        await ctx.tx.execute("INSERT INTO orders VALUES ('x', 1)")
        try:
            await ctx.tx.execute("INSERT OR ROLLBACK INTO orders VALUES ('x', 1)")
        except Exception:  # noqa: BLE001  # an application may do that
            await asyncio.sleep(0)

    async with executor(tmp_path, commit, swallow) as (node, ledger):
        await ledger.database.execute(TABLE)
        results = [await node.handle(command(name, name)) for name in ("commit", "swallow")]
        assert [r.error for r in results if r] == [
            "sql: COMMIT is the node's business; an action only reads and writes",
            "its transaction could not be committed: the transaction was rolled back by an earlier error",
        ]
        assert await orders(ledger) == []


async def test_transactions_run_beside_other_commands_without_deadlock(tmp_path: Path) -> None:
    @action
    async def note(ctx: Context) -> None:
        await ctx.db.execute("INSERT INTO orders VALUES (?, 0)", (ctx.key,))

    async with executor(tmp_path, create, note, limits=ExecutionLimits(concurrency=8)) as (node, ledger):
        await ledger.database.execute(TABLE)
        sent = [command(f"{name}-{n}", name) for n in range(50) for name in ("create", "note")]
        results = await asyncio.gather(*(node.handle(one) for one in sent))
        assert {r.outcome for r in results if r} == {"ok"}
        assert len(await orders(ledger)) == 100


async def test_a_task_that_outlives_its_transaction_cannot_hold_the_node_up(tmp_path: Path) -> None:
    late: list[asyncio.Task[Any]] = []

    @action(kind="transactional")
    async def careless(ctx: Context) -> None:
        late.append(asyncio.create_task(ctx.tx.execute("SELECT 1")))  # type: ignore[arg-type]
        await asyncio.sleep(0)  # it waits for its lease when the action ends

    async with executor(tmp_path, careless, create) as (node, ledger):
        await ledger.database.execute(TABLE)
        await node.handle(command("a", "careless"))
        result = await node.handle(command("b", "create"))
        assert result is not None
        assert result.outcome == "ok"
        assert isinstance((await asyncio.gather(*late, return_exceptions=True))[0], RuntimeError)


async def test_a_timed_out_transaction_leaves_no_effect(tmp_path: Path) -> None:
    @action(kind="transactional", timeout=60)
    async def slow(ctx: Context) -> None:
        await ctx.tx.execute("INSERT INTO orders VALUES ('x', 1)")
        await outlast()

    async with executor(tmp_path, slow) as (node, ledger):
        await ledger.database.execute(TABLE)
        result = await node.handle(command("a", "slow"))
        assert result is not None
        assert result.outcome == "timed_out"
        assert await orders(ledger) == []
