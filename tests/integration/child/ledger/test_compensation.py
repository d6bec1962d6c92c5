"""Compensations through the executor: addressed by the forward command, filled from its result, safe in any order."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetfold_child.commands.actions import AnyAction, action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_shared.messages import ForwardOutcome
from support.executors import command, compensation_of, executor


class Shop:
    """Orders in a list, so that what happened can be read in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    def actions(self) -> list[AnyAction]:
        @action
        async def order(ctx: Context) -> dict[str, str]:
            self.begun.set()
            await self.go.wait()
            self.log.append(f"ordered {ctx.key}")
            return {"order_id": f"O-{ctx.key}"}

        @action
        async def refuse(ctx: Context) -> None:
            raise Refused("no credit")

        @action
        async def cancel(ctx: Context, order_id: str) -> None:
            self.log.append(f"cancelled {order_id}")

        return [order, refuse, cancel]


async def interrupt(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_a_compensation_that_comes_first_is_a_tombstone(tmp_path: Path) -> None:
    shop = Shop()
    async with executor(tmp_path, *shop.actions()) as (node, _):
        first = await node.handle(compensation_of("f", "cancel", order_id="{{order_id}}"))
        late = await node.handle(command("f", "order"))
        assert first is not None
        assert (first.outcome, first.tombstone) == ("ok", True)
        assert late is not None
        assert (late.outcome, late.tombstone, late.starts) == ("rejected", True, 0)
        assert shop.log == []


async def test_a_compensation_takes_the_order_id_from_the_stored_result(tmp_path: Path) -> None:
    shop = Shop()
    shop.go.set()
    async with executor(tmp_path, *shop.actions()) as (node, _):
        await node.handle(command("f", "order"))
    async with executor(tmp_path, *shop.actions()) as (node, _):
        result = await node.handle(compensation_of("f", "cancel", order_id="{{order_id}}"))
        again = await node.handle(compensation_of("f", "cancel", "f.c2", order_id="{{order_id}}"))
        assert [r.outcome for r in (result, again) if r] == ["ok", "ok"]
        assert shop.log == ["ordered f", "cancelled O-f"]


async def test_a_compensation_waits_for_the_running_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, waits = Shop(), asyncio.Event()
    async with executor(tmp_path, *shop.actions()) as (node, _):
        wait_for_end = node._wait_for_end

        async def watched(command_id: str) -> None:
            waits.set()
            await wait_for_end(command_id)

        monkeypatch.setattr(node, "_wait_for_end", watched)
        forward = asyncio.create_task(node.handle(command("f", "order")))
        await shop.begun.wait()
        compensation = asyncio.create_task(node.handle(compensation_of("f", "cancel", order_id="{{order_id}}")))
        await waits.wait()
        assert shop.log == []
        shop.go.set()
        await asyncio.gather(forward, compensation)
        assert shop.log == ["ordered f", "cancelled O-f"]


async def test_an_interrupted_command_is_finished_to_know_what_to_undo(tmp_path: Path) -> None:
    shop = Shop()
    async with executor(tmp_path, *shop.actions()) as (node, _):
        forward = asyncio.create_task(node.handle(command("f", "order")))
        await shop.begun.wait()
        await interrupt(forward)
        shop.go.set()
        result = await node.handle(compensation_of("f", "cancel", order_id="{{order_id}}"))
        assert result is not None
        assert result.outcome == "ok"
        assert shop.log == ["ordered f", "cancelled O-f"]


async def test_nothing_is_undone_after_a_refusal(tmp_path: Path) -> None:
    shop = Shop()
    async with executor(tmp_path, *shop.actions()) as (node, _):
        await node.handle(command("f", "refuse"))
        result = await node.handle(compensation_of("f", "cancel", order_id="O-1"))
        assert result is not None
        assert (result.outcome, result.tombstone) == ("ok", True)
        assert shop.log == []


async def test_a_refusal_after_an_interruption_does_not_say_that_nothing_happened(tmp_path: Path) -> None:
    shop, seats = Shop(), ["the last seat"]
    taken = asyncio.Event()

    @action
    async def book(ctx: Context) -> dict[str, str]:
        if not seats:
            raise Refused("no seat is left")
        seat = seats.pop()
        taken.set()
        await asyncio.Event().wait()
        return {"seat": seat}

    async with executor(tmp_path, book, *shop.actions()) as (node, _):
        forward = asyncio.create_task(node.handle(command("f", "book")))
        await taken.wait()
        await interrupt(forward)
        again = await node.handle(command("f", "book"))
        assert again is not None
        assert (again.outcome, again.starts) == ("failed", 2)
        unjudged = await node.handle(compensation_of("f", "cancel", order_id="{{order_id}}"))
        assert unjudged is not None
        assert unjudged.outcome == "unknown"
        judged = await node.handle(msgspec.structs.replace(compensation_of("f", "cancel", order_id="O-1"), id="f.c2"))
        assert judged is not None
        assert (judged.outcome, shop.log) == ("ok", ["cancelled O-1"])


async def test_a_tombstone_only_undoes_nothing(tmp_path: Path) -> None:
    shop = Shop()
    shop.go.set()
    async with executor(tmp_path, *shop.actions()) as (node, _):
        await node.handle(command("f", "order"))
        done = await node.handle(compensation_of("f"))
        never = await node.handle(compensation_of("g"))
        late = await node.handle(command("g", "order"))
        assert [(r.outcome, r.tombstone) for r in (done, never, late) if r] == [
            ("ok", False), ("ok", True), ("rejected", True),
        ]  # fmt: skip
        assert shop.log == ["ordered f"]


async def test_a_rollback_with_bad_parameters_is_rejected(tmp_path: Path) -> None:
    shop = Shop()
    shop.go.set()
    async with executor(tmp_path, *shop.actions()) as (node, _):
        await node.handle(command("f", "order"))
        wrong = await node.handle(compensation_of("f", "cancel", "c1", order_id=3))
        unknown = await node.handle(compensation_of("f", "sing", "c2"))
        assert [r.outcome for r in (wrong, unknown) if r] == ["rejected", "rejected"]
        assert wrong is not None
        assert wrong.error == "order_id: Expected `str`, got `int`"


async def test_a_lost_ledger_does_not_say_that_a_command_never_ran(tmp_path: Path) -> None:
    shop = Shop()
    shop.go.set()
    for place in ("old", "new"):
        (tmp_path / place).mkdir()
    async with executor(tmp_path / "old", *shop.actions()) as (node, _):
        await node.handle(command("f", "order"))
    known = ForwardOutcome(action="order", kind="idempotent", outcome="ok", result={"order_id": "O-f"})
    compensation = msgspec.structs.replace(compensation_of("f", "cancel", order_id="{{order_id}}"), forward=known)
    async with executor(tmp_path / "new", *shop.actions()) as (node, _):
        undone = await node.handle(compensation)
        again = await node.handle(command("f", "order", attempt=2))
    assert undone is not None
    assert (undone.outcome, undone.tombstone) == ("ok", False)
    assert again is not None
    assert (again.outcome, again.code) == ("rejected", "compensated")
    assert shop.log == ["ordered f", "cancelled O-f"]
