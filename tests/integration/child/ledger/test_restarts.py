"""What the ledger remembers over a stop or a death of the process: what runs again, and what never does."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context
from fleetfold_child.ledger.admission import Decision, Plan
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_child.ledger.node_database import DamagedDatabase
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Conflict
from fleetfold_shared.messages import ActionKind, CommandResult
from support.executors import command, executor


async def die_while_running(path: Path, *ids: str, kind: ActionKind = "idempotent") -> None:
    """A process that begins these commands and is killed: the ledger is not closed, its thread is left behind."""
    ledger = await Ledger.open(path)
    for command_id in ids:
        admission = await ledger.admit(command(command_id, "order"), Plan(kind))
        assert admission.decision is Decision.RUN
    await ledger._writer.close()


async def test_what_was_running_at_a_death_runs_again(tmp_path: Path) -> None:
    starts: list[int] = []

    @action
    async def order(ctx: Context) -> None:
        starts.append(ctx.starts)

    await die_while_running(tmp_path / "node.db", "a")
    async with executor(tmp_path, order) as (node, _):
        result = await node.handle(command("a", "order"))
        assert result is not None
        assert (result.outcome, result.starts, starts) == ("ok", 2, [2])


async def test_once_never_runs_again(tmp_path: Path) -> None:
    @action(kind="once")
    async def order(ctx: Context) -> None:
        raise AssertionError

    await die_while_running(tmp_path / "node.db", "a", kind="once")
    async with executor(tmp_path, order) as (node, ledger):
        result = await node.handle(command("a", "order"))
        assert result is not None
        assert (result.outcome, result.starts) == ("unknown", 1)
        assert await ledger.result_of("a") == result


@pytest.mark.parametrize("kind", ["idempotent", "once"])
@pytest.mark.parametrize(
    ("found", "outcome", "ran"),
    [
        ("O-1", "ok", False),
        (None, "ok", True),
        (ConnectionError("gone"), {"once": "unknown", "idempotent": "ok"}, None),
    ],
)
async def test_a_check_is_asked_instead(tmp_path: Path, kind: Any, found: Any, outcome: Any, ran: Any) -> None:
    runs: list[str] = []

    async def placed(ctx: Context) -> str | None:
        if isinstance(found, Exception):
            raise found
        return found

    @action(kind=kind, check=placed)
    async def order(ctx: Context) -> str:
        runs.append(ctx.key)
        return "O-2"

    await die_while_running(tmp_path / "node.db", "a", kind=kind)
    async with executor(tmp_path, order) as (node, _):
        result = await node.handle(command("a", "order"))
        assert result is not None
        assert result.outcome == (outcome[kind] if isinstance(outcome, dict) else outcome)
        assert bool(runs) == (kind == "idempotent" if ran is None else ran)


async def test_a_handler_interrupted_by_the_stop_is_not_finished(tmp_path: Path) -> None:
    begun = asyncio.Event()
    cancelled: list[Context] = []

    @action
    async def order(ctx: Context) -> None:
        cancelled.append(ctx)
        begun.set()
        if ctx.starts == 1:
            await asyncio.Event().wait()

    async with executor(tmp_path, order) as (node, ledger):
        task = asyncio.create_task(node.handle(command("a", "order")))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        assert cancelled[0].cancelled
        assert await ledger.result_of("a") is None
    async with executor(tmp_path, order) as (node, ledger):
        assert not ledger.is_suspect("a")
        result = await node.handle(command("a", "order"))
        assert result is not None
        assert (result.outcome, result.starts) == ("ok", 2)


async def test_poison_is_found_and_parked_as_unknown_and_its_neighbours_run(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    await die_while_running(path, "neighbour", "poison")
    await die_while_running(path, "poison", "neighbour")
    for _ in range(5):
        ledger = await Ledger.open(path)
        assert ledger.is_suspect("poison")
        assert ledger.is_suspect("neighbour")
        await ledger._writer.close()
        await die_while_running(path, "poison")  # suspects are run alone, and this one always comes first
    ledger = await Ledger.open(path)
    poison = await ledger.admit(command("poison", "order"), Plan())
    neighbour = await ledger.admit(command("neighbour", "order"), Plan())
    await ledger.close()
    assert poison.result is not None
    assert poison.result.outcome == "unknown"
    assert neighbour.decision is Decision.RUN


async def test_suspects_run_alone(tmp_path: Path) -> None:
    together: set[str] = set()
    most: dict[str, int] = {}
    both = asyncio.Barrier(2)

    @action
    async def order(ctx: Context) -> None:
        together.add(ctx.key)
        await ledger.result_of("who is let in meanwhile is admitted before this is answered")
        if ctx.key in {"z", "w"}:
            await both.wait()
        for key in together:
            most[key] = max(most.get(key, 0), len(together))
        together.discard(ctx.key)

    for _ in range(2):
        await die_while_running(tmp_path / "node.db", "a", "b")
    async with executor(tmp_path, order) as (node, ledger):
        await asyncio.gather(*(node.handle(command(one, "order")) for one in ("x", "a", "y", "b", "z", "w")))
        assert (most["a"], most["b"]) == (1, 1)
        assert max(most.values()) > 1


async def test_results_nobody_has_confirmed_are_published_after_a_restart(tmp_path: Path) -> None:
    ledger = await Ledger.open(tmp_path / "node.db")
    for command_id in ("a", "b"):
        await ledger.admit(command(command_id, "order"), Plan())
        await ledger.finish(CommandResult(id=command_id, attempt=1, epoch=0, outcome="ok", starts=1))
    await ledger.published("a")
    await ledger.close()
    ledger = await Ledger.open(tmp_path / "node.db")
    assert [result.id for result in await ledger.unpublished()] == ["b"]
    await ledger.close()


async def test_prune_forgets_what_ended_long_ago_and_was_confirmed(tmp_path: Path) -> None:
    clock = ManualClock()
    ledger = await Ledger.open(tmp_path / "node.db", clock=clock)
    for command_id in ("old", "unpublished", "running", "young"):
        if command_id == "young":
            clock.advance(100)
        await ledger.admit(command(command_id, "order"), Plan())
        if command_id != "running":
            await ledger.finish(CommandResult(id=command_id, attempt=1, epoch=0, outcome="ok"))
        if command_id in ("old", "young"):
            await ledger.published(command_id)
    await ledger.confirm("old", "running", "young")
    assert await ledger.prune(50) == 1
    assert [await ledger.result_of(one) is None for one in ("old", "unpublished", "young")] == [True, False, False]
    assert (await ledger.admit(command("running", "order"), Plan())).decision is Decision.DUPLICATE_RUNNING
    await ledger.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.db").write_text("these are not the pages you are looking for" * 100)
    with pytest.raises(DamagedDatabase, match=r"node\.db is damaged \(file is not a database\)"):
        await Ledger.open(tmp_path / "node.db")


@pytest.mark.parametrize("page", [2, 5])
async def test_a_damaged_page_is_found_at_the_start(tmp_path: Path, page: int) -> None:
    await (await Ledger.open(tmp_path / "node.db")).close()
    with (tmp_path / "node.db").open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xde\xad" * 2048)
    with pytest.raises(DamagedDatabase, match=r"node\.db is damaged \("):
        await Ledger.open(tmp_path / "node.db")


async def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    await (await Ledger.open(tmp_path / "node.db")).close()
    with sqlite3.connect(tmp_path / "node.db") as connection:
        connection.execute("UPDATE fleetfold_schema SET version = 99")
    connection.close()
    with pytest.raises(Conflict, match="written by a newer fleetfold"):
        await Ledger.open(tmp_path / "node.db")
