"""Actions that would end their process: `failed` where Python lets us, and counted as a death where it does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_child.node.answerer import answered
from fleetfold_shared.errors import InternalError, NotFound
from fleetfold_shared.messages import CommandResult, NodeQuestion, decode, encode
from support.executors import command, compensation_of, executor

WORKER = Path(__file__).parents[3] / "support" / "deadly_worker.py"


async def _exit() -> None:
    sys.exit(3)


async def _end(how: str) -> None:
    match how:
        case "SystemExit":
            sys.exit(0)
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "GeneratorExit":
            raise GeneratorExit
        case "CancelledError":
            raise asyncio.CancelledError
        case "TimeoutError":
            raise TimeoutError
        case "in a thread":
            await asyncio.to_thread(sys.exit, 2)
        case "in a task":
            await asyncio.create_task(_exit())
        case "in a task nobody waits for":
            task = asyncio.create_task(_exit())
            await asyncio.wait([task])


ENDS = [
    ("SystemExit", "SystemExit: 0"),
    ("KeyboardInterrupt", "KeyboardInterrupt"),
    ("GeneratorExit", "GeneratorExit"),
    ("CancelledError", "CancelledError: the handler cancelled itself"),
    ("TimeoutError", "TimeoutError"),
    ("in a thread", "SystemExit: 2"),
    ("in a task", "TaskExit: a task of it raised SystemExit: 3"),
]


@action
async def end(ctx: Context, how: str) -> None:
    await _end(how)


@action(kind="transactional")
async def end_in_a_transaction(ctx: Context, how: str) -> None:
    await _end(how)


@action
async def order(ctx: Context) -> dict[str, str]:
    return {"order_id": "o-1"}


@pytest.mark.parametrize(("how", "said"), ENDS)
async def test_what_would_end_the_process_ends_its_command_alone(tmp_path: Path, how: str, said: str) -> None:
    async with executor(tmp_path, end, end_in_a_transaction, order) as (node, _):
        results = [await node.handle(command(name, name, how=how)) for name in ("end", "end_in_a_transaction")]
        assert [(result.outcome, result.error) for result in results if result] == [("failed", said)] * 2
        assert (await node.handle(command("after", "order"))) is not None


@pytest.mark.parametrize(("how", "said"), ENDS)
async def test_a_rollback_that_would_end_the_process_has_failed(tmp_path: Path, how: str, said: str) -> None:
    async with executor(tmp_path, end, order) as (node, _):
        await node.handle(command("a", "order"))
        undone = await node.handle(compensation_of("a", "end", how=how))
        assert undone is not None
        assert (undone.outcome, undone.error) == ("failed", said)


class _Speechless(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("half \ud83d"), "ValueError: half ?"),
        (ValueError(10**5000), "ValueError"),
        (_Speechless(), "_Speechless"),
        (SystemExit("\ud83d"), "SystemExit: ?"),
        (Refused("\ud83d"), "?"),
        (NotFound("\ud83d"), "?"),
        (NotFound(404), "NotFound: 404"),  # type: ignore[arg-type]
    ],
    ids=["half", "too long", "speechless", "exit", "refused", "not found", "a number"],
)
async def test_an_error_that_cannot_be_said_ends_its_command_all_the_same(
    tmp_path: Path, error: BaseException, said: str
) -> None:
    @action
    async def fail(ctx: Context) -> None:
        raise error

    async with executor(tmp_path, fail) as (node, _):
        result = await node.handle(command("a", "fail"))
        assert result is not None
        assert (result.outcome, result.error) == ("failed", said)
        assert decode(encode(result), CommandResult) == result


async def test_a_task_that_is_left_alone_does_not_stop_the_node(tmp_path: Path) -> None:
    async with executor(tmp_path, end) as (node, _):
        result = await node.handle(command("a", "end", how="in a task nobody waits for"))
        assert result is not None
        assert result.outcome == "ok"


@pytest.mark.parametrize("kind", ["idempotent", "once"])
@pytest.mark.parametrize("how", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError"])
async def test_a_check_that_would_end_the_process_has_failed(tmp_path: Path, how: str, kind: Any) -> None:
    async def happened(ctx: Context) -> str | None:
        await _end(how)
        return None

    @action(kind=kind, check=happened)
    async def pay(ctx: Context) -> str:
        return "paid"

    async with executor(tmp_path, pay) as (node, ledger):
        await ledger.database.execute(
            "INSERT INTO fleetfold_command (id, action, kind, state, starts, incarnation, epoch, attempt, params,"
            " admitted_at) VALUES ('a', 'pay', ?, 'running', 1, '', 0, 1, '{}', 0)",
            (kind,),
        )
        result = await node.handle(command("a", "pay"))
        assert result is not None
        assert result.outcome == ("ok" if kind == "idempotent" else "unknown")


@pytest.mark.parametrize("how", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
async def test_an_answerer_that_would_end_the_process_has_failed(how: str) -> None:
    async def answerer(question: str, passages: list[Any]) -> str:
        await _end(how)
        return ""

    with pytest.raises(InternalError, match=f"the node's answerer raised {how}"):
        await answered(answerer, NodeQuestion(question="why?", passages=[]), 5.0)


async def test_a_cancellation_from_outside_is_no_outcome(tmp_path: Path) -> None:
    begun = asyncio.Event()

    @action
    async def wait(ctx: Context) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with executor(tmp_path, wait) as (node, ledger):
        running = asyncio.create_task(node.handle(command("a", "wait")))
        await begun.wait()
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert await ledger.result_of("a") is None


def _work(directory: Path, how: str) -> tuple[int, str]:
    """One process that is given the command; its exit code, and the outcome that it tells."""
    done = subprocess.run(
        [sys.executable, str(WORKER), str(directory), how], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.strip()


@pytest.mark.dear
@pytest.mark.parametrize("how", ["os._exit(0)", "os._exit(1)", "abort", "segfault", "kill", "exit in a callback"])
def test_a_command_that_kills_its_process_is_given_up_after_five_deaths(tmp_path: Path, how: str) -> None:
    told = [_work(tmp_path, how)[1] for _ in range(6)]
    assert told == [""] * 5 + ["unknown 5 the node died 5 times while only this was running; it is not tried again"]


def test_a_command_that_calls_sys_exit_needs_one_process(tmp_path: Path) -> None:
    assert _work(tmp_path, "sys.exit") == (0, "failed 1 SystemExit: 0")


@pytest.mark.dear
def test_an_orderly_stop_is_no_death(tmp_path: Path) -> None:
    for _ in range(6):
        assert _work(tmp_path, "stop")[1] == ""
    assert _work(tmp_path, "work")[1] == "ok 7"
