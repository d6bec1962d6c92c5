"""Cancelling on a real ledger: what runs is told, what has not begun never will, over deaths and redeliveries too."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fleetfold_child.commands.actions import AnyAction, action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_child.commands.executor import ExecutionLimits
from fleetfold_child.ledger.admission import Decision, Plan
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.messages import ActionKind, CommandResult, RetryPolicy
from support.executors import command, compensation_of, executor, let_go

TABLE = "CREATE TABLE orders (id TEXT)"


class Stage:
    """Actions that begin, wait to be told to go on, and note what they saw."""

    def __init__(self) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.seen: list[Any] = []

    def actions(self, grace: float = 5.0) -> list[AnyAction]:
        async def work(ctx: Context) -> str:
            self.seen.append(ctx.key)
            self.begun.set()
            await self.go.wait()
            return "done"

        async def write(ctx: Context) -> None:
            await ctx.tx.execute("INSERT INTO orders VALUES (?)", (ctx.key,))
            self.begun.set()
            await self.go.wait()

        async def heed(ctx: Context, how: str) -> str:
            self.begun.set()
            await ctx.wait_cancelled()
            self.seen.append((ctx.cancelled, ctx.cancelled_by))
            if how == "refuse":
                raise Refused("nothing was sent")
            if how == "raise":
                raise ConnectionError("hung up")
            return "saved in time"

        once = action(name="once", kind="once", cancel_grace=grace)(work)
        transactional = action(kind="transactional", cancel_grace=grace)(write)
        return [action(cancel_grace=grace)(work), once, transactional, action(cancel_grace=60)(heed)]


def told(result: CommandResult | None) -> tuple[str, str | None]:
    assert result is not None
    return result.outcome, result.error


@pytest.mark.parametrize(
    ("name", "outcome", "error"),
    [
        ("work", "unknown", "cancelled by ann while it ran; what it did by then is done"),
        ("once", "unknown", "cancelled by ann while it ran; what it did by then is done"),
        ("write", "failed", "cancelled by ann while it ran; nothing of it was committed"),
    ],
)
async def test_one_that_does_not_heed_it_is_ended_after_its_grace(
    tmp_path: Path, name: str, outcome: str, error: str
) -> None:
    stage = Stage()
    async with executor(tmp_path, *stage.actions(grace=0.05)) as (node, ledger):
        await ledger.database.execute(TABLE)
        running = asyncio.create_task(node.handle(command("a", name)))
        await stage.begun.wait()
        stopped = await node.cancel(["a"], "ann")
        assert told(await running) == (outcome, error)
        assert stopped.verdicts["a"] in {"stopping", "ended"}  # a transaction holds the ledger until its end
        assert told(await node.handle(command("a", name, attempt=2))) == (outcome, error)
        assert await ledger.database.execute("SELECT * FROM orders") == []


@pytest.mark.parametrize(
    ("how", "outcome", "error"),
    [("return", "ok", None), ("refuse", "failed", "nothing was sent"), ("raise", "failed", "ConnectionError: hung up")],
)
async def test_one_that_heeds_it_ends_in_its_own_way_and_at_once(
    tmp_path: Path, how: str, outcome: str, error: str | None
) -> None:
    stage = Stage()
    async with executor(tmp_path, *stage.actions()) as (node, _):
        running = asyncio.create_task(node.handle(command("a", "heed", how=how)))
        await stage.begun.wait()
        assert (await node.cancel(["a"], "ann")).verdicts == {"a": "stopping"}
        assert told(await running) == (outcome, error)
        assert stage.seen == [(True, "ann")]


async def test_what_waits_at_the_gate_never_begins_and_does_not_wait_on(tmp_path: Path) -> None:
    stage = Stage()
    async with executor(tmp_path, *stage.actions(), limits=ExecutionLimits(concurrency=1)) as (node, _):
        first = asyncio.create_task(node.handle(command("a", "work")))
        await stage.begun.wait()
        waiting = asyncio.create_task(node.handle(command("b", "work", attempt=3, epoch=2)))
        await asyncio.sleep(0)
        stopped = await node.cancel(["b"], "ann")
        assert (stopped.verdicts, stopped.results) == ({"b": "never"}, [])  # its own delivery publishes it
        result = await waiting
        assert told(result) == ("rejected", "cancelled by ann before it began")
        assert result is not None
        assert (result.attempt, result.epoch, result.starts) == (3, 2, 0)
        stage.go.set()
        assert told(await first) == ("ok", None)
        assert stage.seen == ["a"]


async def test_what_is_not_known_never_runs_however_it_is_delivered(tmp_path: Path) -> None:
    stage = Stage()
    stage.go.set()
    async with executor(tmp_path, *stage.actions()) as (node, ledger):
        stopped = await node.cancel(["a"], "ann")
        assert stopped.verdicts == {"a": "never"}
        assert [told(each) for each in stopped.results] == [("rejected", "cancelled by ann before it began")]
        assert [each.id for each in await ledger.unpublished()] == ["a"]
    async with executor(tmp_path, *stage.actions()) as (node, _):
        assert told(await node.handle(command("a", "work")))[0] == "rejected"
        assert (await node.cancel(["a"], "bob")).verdicts == {"a": "ended"}
        assert told(await node.handle(compensation_of("a", "work")))[0] == "ok"
    assert stage.seen == []


async def test_what_has_ended_is_told_again_unless_somebody_has_it(tmp_path: Path) -> None:
    stage = Stage()
    stage.go.set()
    async with executor(tmp_path, *stage.actions()) as (node, ledger):
        result = await node.handle(command("a", "work"))
        assert (await node.cancel(["a"], "ann")) == ({"a": "ended"}, [result])
        await ledger.published("a")
        assert (await node.cancel(["a"], "ann")) == ({"a": "ended"}, [])


@pytest.mark.parametrize(
    ("kind", "outcome"), [("transactional", "failed"), ("idempotent", "unknown"), ("once", "unknown")]
)
@pytest.mark.parametrize("told_before", [True, False])
async def test_what_a_death_has_interrupted_is_not_begun_again(
    tmp_path: Path, kind: ActionKind, outcome: str, told_before: bool
) -> None:
    async def work(ctx: Context) -> None:
        raise AssertionError

    ledger = await Ledger.open(tmp_path / "node.db")
    assert (await ledger.admit(command("a", "work"), Plan(kind))).decision is Decision.RUN
    if told_before:
        assert (await ledger.cancel(["a"], "ann"))["a"].verdict == "stopping"
    await ledger._writer.close()  # the process is killed
    async with executor(tmp_path, action(kind=kind)(work)) as (node, _):
        if not told_before:
            stopped = await node.cancel(["a"], "ann")
            assert (stopped.verdicts, [each.outcome for each in stopped.results]) == ({"a": "ended"}, [outcome])
        ended, error = told(await node.handle(command("a", "work")))
        assert ended == outcome
        assert "cancelled by ann; the node had stopped while it ran" in (error or "")


async def test_an_undoing_is_not_cancelled(tmp_path: Path) -> None:
    stage = Stage()
    async with executor(tmp_path, *stage.actions(grace=0.0)) as (node, ledger):
        stage.go.set()
        await node.handle(command("a", "work"))
        stage.go.clear()
        stage.begun.clear()
        compensating = asyncio.create_task(node.handle(compensation_of("a", "work")))
        await stage.begun.wait()
        assert (await node.cancel(["a.c"], "ann")).verdicts == {}
        stage.go.set()
        assert told(await compensating) == ("ok", None)
        await node.cancel(["b.c"], "ann")
        await node.handle(command("b", "work"))
        assert told(await node.handle(compensation_of("b", "work"))) == ("ok", None)
        assert stage.seen == ["a", "a.c", "b", "b.c"]
        assert (await ledger.database.execute("SELECT count(*) AS n FROM fleetfold_cancelled"))[0]["n"] == 0


@pytest.mark.parametrize("kind", ["idempotent", "transactional"])
async def test_what_waits_for_another_try_ends_as_the_last_one_did(tmp_path: Path, kind: ActionKind) -> None:
    failed = asyncio.Event()

    async def work(ctx: Context) -> None:
        failed.set()
        raise ConnectionError("away")

    policy = RetryPolicy(attempts=5, backoff_s=3600, backoff_max_s=3600)
    async with executor(tmp_path, action(kind=kind, retry=policy)(work)) as (node, ledger):
        running = asyncio.create_task(node.handle(command("a", "work")))
        await failed.wait()
        await let_go(ledger)
        assert (await node.cancel(["a"], "ann")).verdicts["a"] in {"stopping", "ended"}
        assert told(await running) == ("failed", "ConnectionError: away; cancelled by ann before it was tried again")
        assert await ledger.result_of("a") == running.result()


async def test_many_are_cancelled_in_one_commit_and_the_notes_are_pruned(tmp_path: Path) -> None:
    stage = Stage()
    async with executor(tmp_path, *stage.actions(grace=0.0)) as (node, ledger):
        running = asyncio.create_task(node.handle(command("a", "work")))
        await stage.begun.wait()
        ids = ["a", *(f"b{number}" for number in range(999))]
        verdicts = (await node.cancel(ids, "ann")).verdicts
        assert (verdicts.pop("a"), set(verdicts.values()), len(verdicts)) == ("stopping", {"never"}, 999)
        await running
        await ledger.prune(3600)
        assert await ledger.database.execute("SELECT * FROM fleetfold_cancelled") == []
