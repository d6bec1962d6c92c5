"""Tries and time limits on a real ledger."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from fleetfold_child.commands import progress_reports, time_limits
from fleetfold_child.commands.actions import Actions, action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_child.commands.executor import ExecutionLimits, Executor
from fleetfold_child.commands.progress_reports import ProgressPublisher
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import ActionKind, Command, CommandResult, ProgressReport, RetryPolicy
from support.executors import command, compensation_of, executor, let_go
from support.looptime import advance_loop, outlast
from support.wait import eventually

AT_ONCE = RetryPolicy(attempts=3, backoff_s=0.0)
LATER = RetryPolicy(attempts=3, backoff_s=3600.0, backoff_max_s=3600.0, jitter=0.0)


def told(result: CommandResult | None) -> tuple[str, str | None]:
    assert result is not None
    return result.outcome, result.error


def asked(sent: Command, **more: object) -> Command:
    return msgspec.structs.replace(sent, **more)


async def test_what_fails_is_tried_again_each_time_in_a_new_transaction(tmp_path: Path) -> None:
    tries: list[tuple[int, int]] = []

    @action(kind="transactional", retry=AT_ONCE)
    async def order(ctx: Context) -> str:
        tries.append((ctx.attempt, ctx.starts))
        await ctx.tx.execute("INSERT INTO orders VALUES (?)", (ctx.attempt,))
        if ctx.attempt < 3:
            raise ConnectionError("away")
        return "done"

    async with executor(tmp_path, order) as (node, ledger):
        await ledger.database.execute("CREATE TABLE orders (attempt INT)")
        result = await node.handle(command("a", "order"))
        assert told(result) == ("ok", None)
        assert tries == [(1, 1), (2, 1), (3, 1)]
        assert await ledger.database.execute("SELECT attempt FROM orders") == [{"attempt": 3}]
        assert await ledger.result_of("a") == result


@action(retry=RetryPolicy(attempts=3, backoff_s=0.0, on=["OSError", "unavailable", "timeout"]), timeout=60)
async def fickle(ctx: Context, how: str) -> None:
    """Fails in many ways."""
    match how:
        case "refuses":
            raise Refused("no")
        case "breaks":
            raise ZeroDivisionError("nought")
        case "is away":
            raise ConnectionResetError("gone")
        case "is unavailable":
            raise Unavailable("the broker is away")
        case _:
            await outlast()


@pytest.mark.parametrize(
    ("how", "outcome", "error"),
    [
        ("refuses", "failed", "no"),
        ("breaks", "failed", "ZeroDivisionError: nought"),
        ("is away", "failed", "ConnectionResetError: gone (tried 3 times)"),
        ("is unavailable", "failed", "the broker is away (tried 3 times)"),
        ("hangs", "timed_out", "it took longer than 60 s; what it did by then is done (tried 3 times)"),
    ],
)
async def test_what_is_worth_it_is_tried_again_and_the_end_says_how_often(
    tmp_path: Path, how: str, outcome: str, error: str
) -> None:
    async with executor(tmp_path, fickle) as (node, _):
        assert told(await node.handle(command("a", "fickle", how=how))) == (outcome, error)


async def test_a_try_that_may_have_done_something_counts_as_a_start(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    async def placed(ctx: Context) -> str | None:
        return "O-1" if ctx.attempt == 3 else None

    @action(retry=AT_ONCE, timeout=60, check=placed)
    async def order(ctx: Context) -> str:
        seen.append((ctx.attempt, ctx.starts))
        if ctx.attempt == 1:
            raise ConnectionError("away")  # by contract it has left nothing behind
        await outlast()

    async with executor(tmp_path, order) as (node, _):
        result = await node.handle(command("a", "order"))
        assert result is not None
        assert (result.outcome, result.result, result.starts) == ("ok", "O-1", 2)
        assert seen == [(1, 1), (2, 1)]


async def test_the_gate_is_left_while_it_waits_and_a_duplicate_waits_for_the_same_end(tmp_path: Path) -> None:
    failed, ran = asyncio.Event(), list[str]()

    @action(retry=LATER)
    async def fail(ctx: Context) -> None:
        failed.set()
        raise ConnectionError("away")

    @action
    async def other(ctx: Context) -> None:
        ran.append(ctx.key)

    async with executor(tmp_path, fail, other, limits=ExecutionLimits(concurrency=1)) as (node, _):
        first = asyncio.create_task(node.handle(command("a", "fail")))
        await failed.wait()
        again = asyncio.create_task(node.handle(command("a", "fail", attempt=2)))
        assert told(await node.handle(command("b", "other"))) == ("ok", None)
        await node.cancel(["a"], "ann")
        assert told(await first) == told(await again)
        assert ran == ["b"]


async def test_a_death_between_two_tries_is_nobodys_fault_and_tries_begin_anew(tmp_path: Path) -> None:
    failed, seen = asyncio.Event(), list[tuple[int, int]]()

    @action(retry=LATER)
    async def work(ctx: Context) -> None:
        seen.append((ctx.attempt, ctx.starts))
        failed.set()
        if ctx.starts == 1:
            raise ConnectionError("away")

    ledger = await Ledger.open(tmp_path / "node.db")
    node = Executor(Actions([work]), ledger, node="shop")
    waiting = asyncio.create_task(node.handle(command("a", "work")))
    await failed.wait()
    await let_go(ledger)
    await ledger._writer.close()  # the process is killed
    waiting.cancel()
    await asyncio.wait([waiting])
    async with executor(tmp_path, work) as (later, ledger):
        [row] = await ledger.database.execute("SELECT crashes, lone_crashes FROM fleetfold_command")
        assert row == {"crashes": 0, "lone_crashes": 0}
        assert told(await later.handle(command("a", "work"))) == ("ok", None)
        assert seen == [(1, 1), (1, 2)]


async def test_an_undoing_is_tried_once_its_master_tries_again(tmp_path: Path) -> None:
    tries: list[int] = []

    @action(retry=AT_ONCE)
    async def forget(ctx: Context) -> None:
        tries.append(ctx.attempt)
        if ctx.command_id == "a.c":
            raise ConnectionError("away")

    async with executor(tmp_path, forget) as (node, _):
        await node.handle(command("a", "forget"))
        assert told(await node.handle(compensation_of("a", "forget"))) == ("failed", "ConnectionError: away")
        assert tries == [1, 1]


@pytest.mark.parametrize("params", [{"key": "{{key}}"}, {}])
@pytest.mark.parametrize("kind", ["idempotent", "transactional"])
async def test_what_is_to_be_undone_is_not_tried_again(
    tmp_path: Path, kind: ActionKind, params: dict[str, str]
) -> None:
    tries, go = list[int](), asyncio.Event()

    async def work(ctx: Context) -> None:
        tries.append(ctx.attempt)
        if ctx.key == "runs":
            await go.wait()
        raise ConnectionError("away")

    @action
    async def forget(ctx: Context, key: str = "") -> None: ...

    async with executor(tmp_path, action(kind=kind, retry=LATER)(work), forget) as (node, ledger):
        waits = asyncio.create_task(node.handle(command("waits", "work")))
        await let_go(ledger)
        assert told(await node.handle(compensation_of("waits", "forget", **params))) == ("ok", None)
        ended = await waits
        assert ended is not None
        assert ended.outcome != "ok"
        runs = asyncio.create_task(node.handle(command("runs", "work")))
        await eventually(lambda: len(tries) == 2)
        compensating = asyncio.create_task(node.handle(compensation_of("runs", "forget", **params)))
        await eventually(lambda: node._running["runs"].compensation_arrived)
        go.set()
        assert told(await compensating) == ("ok", None)
        assert told(await runs) == ("failed", "ConnectionError: away")
        assert tries == [1, 1]


async def test_a_once_action_is_not_tried_again_by_a_call_either(tmp_path: Path) -> None:
    @action(kind="once")
    async def pay(ctx: Context) -> None: ...

    async with executor(tmp_path, pay) as (node, _):
        outcome, error = told(await node.handle(asked(command("a", "pay"), retry=AT_ONCE)))
        assert outcome == "rejected"
        assert "retry: pay is a 'once' action, which is never tried again" in (error or "")
        assert told(await node.handle(asked(command("b", "pay"), retry=RetryPolicy()))) == ("ok", None)


async def test_the_policy_of_the_call_replaces_the_actions(tmp_path: Path) -> None:
    @action(retry=LATER)
    async def work(ctx: Context) -> None:
        raise ConnectionError("away")

    async with executor(tmp_path, work) as (node, _):
        assert told(await node.handle(asked(command("a", "work"), retry=RetryPolicy()))) == (
            "failed", "ConnectionError: away",
        )  # fmt: skip


async def test_no_try_begins_after_the_time_for_all_of_them(tmp_path: Path) -> None:
    tries: list[int] = []

    @action(retry=LATER, timeout=600)
    async def work(ctx: Context) -> None:
        tries.append(ctx.attempt)
        if ctx.command_id == "hangs":
            await outlast()
        raise ConnectionError("away")

    async with executor(tmp_path, work) as (node, _):
        fails = await node.handle(asked(command("fails", "work"), overall_s=100.0), age_s=10.0)
        assert told(fails) == ("failed", "ConnectionError: away")
        hangs = await node.handle(asked(command("hangs", "work"), overall_s=60.0), age_s=10.0)
        error = "it was not done 60 s after it was sent; what it did by then is done"
        assert told(hangs) == ("timed_out", error)
        late = await node.handle(asked(command("late", "work"), overall_s=5.0), age_s=10.0)
        assert told(late) == ("timed_out", "not done 5 s after it was sent, and not begun any more")
        assert tries == [1, 1]


@pytest.mark.parametrize("kind", ["idempotent", "transactional"])
async def test_silence_for_too_long_is_a_timeout_and_progress_a_sign_of_life(
    tmp_path: Path, kind: ActionKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop_time = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time(), time=time.time)
    for module in (time_limits, progress_reports):
        monkeypatch.setattr(module, "time", loop_time)

    async def work(ctx: Context, steps: int) -> str:
        for step in range(steps):
            ctx.progress(step, steps)
            advance_loop(20.0)
            for _ in range(3):  # whoever listens has had his turn
                await asyncio.sleep(0)
        if steps < 10:
            await outlast()
        return "done"

    async with executor(tmp_path, action(kind=kind, heartbeat=30, timeout=7200)(work)) as (node, _):
        assert told(await node.handle(command("alive", "work", steps=10))) == ("ok", None)
        error = "no progress for 30 s; what it did by then is done"
        assert told(await node.handle(command("silent", "work", steps=0))) == ("timed_out", error)
        shorter = asked(command("called", "work", steps=1), heartbeat_s=25.0)
        assert told(await node.handle(shorter)) == ("timed_out", error.replace("30", "25"))


async def test_progress_names_its_try_and_the_last_word_comes_before_the_result(tmp_path: Path) -> None:
    heard: list[ProgressReport] = []

    async def hear(report: ProgressReport) -> None:
        heard.append(report)

    @action(retry=AT_ONCE)
    async def work(ctx: Context) -> None:
        await asyncio.to_thread(ctx.progress, ctx.attempt * 10, 30, "at it")
        if ctx.attempt < 3:
            raise ConnectionError("away")

    reports = ProgressPublisher(hear)
    async with executor(tmp_path, work, reports=reports) as (node, _):
        await node.handle(command("a", "work"))
        last = heard[-1].progress
        assert (last.done, last.total, last.note, last.attempt) == (30, 30, "at it", 3)
    await reports.stop()
