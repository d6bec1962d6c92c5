"""What a command notes is there for its compensation, whatever became of the command."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fleetfold_child.commands.actions import AnyAction, action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_child.ledger.side_effect_log import MOST_NOTE_BYTES, Forward
from fleetfold_shared.messages import ActionKind, Command, CommandResult
from support.executors import command, compensation_of, executor
from support.looptime import outlast


class Shop:
    """Orders are noted before they are placed; then it ends as `ending` says."""

    def __init__(self, ending: str = "ok", kind: ActionKind = "idempotent") -> None:
        self.ending, self.kind = ending, kind
        self.placed: list[str] = []
        self.forward: Forward | None = None
        self.noted = asyncio.Event()

    def actions(self) -> list[AnyAction]:
        @action(kind=self.kind, timeout=60)
        async def order(ctx: Context) -> dict[str, str]:
            await ctx.note(order_id=f"draft-{ctx.starts}", wanted=1)
            await ctx.note(order_id=f"O-{ctx.starts}")
            self.placed.append(f"O-{ctx.starts}")
            self.noted.set()
            if self.ending == "timed_out":
                await outlast()
            if self.ending == "interrupted":
                await asyncio.Event().wait()
            if self.ending == "failed":
                raise ValueError("the lights went out")
            if self.ending == "refused":
                raise Refused("no credit")
            return {"invoice": "I-1"}

        @action
        async def cancel(ctx: Context, order_id: str, invoice: str = "") -> None:
            self.forward = ctx.forward
            self.placed.remove(order_id)

        return [order, cancel]


def by_log(command_id: str = "") -> Command:
    return compensation_of("f", "cancel", command_id, order_id="{{log.order_id}}")


async def interrupt(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


def outcome(result: CommandResult | None) -> str:
    assert result is not None
    return result.outcome


@pytest.mark.parametrize("ending", ["ok", "failed", "timed_out"])
@pytest.mark.parametrize("kind", ["idempotent", "once"])
async def test_what_was_noted_undoes_it_however_it_ended(tmp_path: Path, ending: str, kind: ActionKind) -> None:
    shop = Shop(ending, kind)
    async with executor(tmp_path, *shop.actions()) as (node, _):
        forward = await node.handle(command("f", "order"))
        assert forward is not None
        assert (forward.outcome, forward.noted) == (ending, True)
    async with executor(tmp_path, *shop.actions()) as (node, _):
        assert outcome(await node.handle(by_log())) == "ok"
    assert shop.placed == []
    assert shop.forward is not None
    assert (shop.forward.outcome, shop.forward.starts) == (ending, 1)
    assert shop.forward.log == {"order_id": "O-1", "wanted": 1}
    assert [note.values for note in shop.forward.notes] == [{"order_id": "draft-1", "wanted": 1}, {"order_id": "O-1"}]


@pytest.mark.parametrize("kind", ["idempotent", "once"])
async def test_one_that_died_in_the_middle_is_undone_and_not_run_again(tmp_path: Path, kind: ActionKind) -> None:
    shop = Shop("interrupted", kind)
    async with executor(tmp_path, *shop.actions()) as (node, _):
        forward = asyncio.create_task(node.handle(command("f", "order")))
        await shop.noted.wait()
        await interrupt(forward)
    async with executor(tmp_path, *shop.actions()) as (node, _):
        assert outcome(await node.handle(by_log())) == "ok"
        assert outcome(await node.handle(command("f", "order"))) == "unknown"
    assert shop.placed == []
    assert shop.forward is not None
    assert (shop.forward.outcome, shop.forward.result) == ("unknown", None)


async def test_result_and_log_are_filled_together(tmp_path: Path) -> None:
    shop = Shop()
    async with executor(tmp_path, *shop.actions()) as (node, _):
        await node.handle(command("f", "order"))
        both = compensation_of("f", "cancel", order_id="{{log.order_id}}", invoice="{{invoice}}")
        assert outcome(await node.handle(both)) == "ok"
    assert shop.placed == []
    assert shop.forward is not None
    assert shop.forward.result == {"invoice": "I-1"}


@pytest.mark.parametrize("ending", ["failed", "timed_out"])
async def test_what_takes_more_than_was_noted_is_not_run(tmp_path: Path, ending: str) -> None:
    shop = Shop(ending)
    async with executor(tmp_path, *shop.actions()) as (node, _):
        await node.handle(command("f", "order"))
        result = await node.handle(
            compensation_of("f", "cancel", order_id="{{log.order_id}}", invoice="{{log.invoice}}")
        )
        assert outcome(result) == "unknown"
        assert result is not None
        assert "had noted order_id, wanted" in (result.error or "")
    assert shop.placed == ["O-1"]


async def test_a_refusal_has_done_nothing_whatever_it_noted(tmp_path: Path) -> None:
    shop = Shop("refused")
    async with executor(tmp_path, *shop.actions()) as (node, _):
        forward = await node.handle(command("f", "order"))
        result = await node.handle(by_log())
        assert forward is not None
        assert result is not None
        assert (forward.noted, result.outcome, result.tombstone) == (False, "ok", True)


@pytest.mark.parametrize("ending", ["ok", "failed"])
async def test_notes_of_a_transactional_action_are_kept_with_its_effect(tmp_path: Path, ending: str) -> None:
    shop = Shop(ending, "transactional")
    async with executor(tmp_path, *shop.actions()) as (node, ledger):
        forward = await node.handle(command("f", "order"))
        assert forward is not None
        assert not forward.noted
        kept = await ledger.database.execute("SELECT count(*) AS n FROM fleetfold_note")
        assert kept == [{"n": 2 if ending == "ok" else 0}]
        result = await node.handle(by_log())
        assert result is not None
        assert (result.outcome, result.tombstone) == ("ok", ending != "ok")


async def test_what_outlives_its_action_may_not_note(tmp_path: Path) -> None:
    ended, told = asyncio.Event(), asyncio.get_running_loop().create_future()

    @action
    async def order(ctx: Context) -> None:
        async def later() -> None:
            await ended.wait()
            try:
                await ctx.note(order_id="O-1")
            except RuntimeError as error:
                told.set_result(str(error))

        outliving.append(asyncio.create_task(later()))

    outliving: list[asyncio.Task[None]] = []
    async with executor(tmp_path, order) as (node, _):
        await node.handle(command("f", "order"))
        ended.set()
        assert "has ended" in await told
        await asyncio.gather(*outliving)


@pytest.mark.parametrize(
    ("values", "says"), [({}, "nothing"), ({"at": object()}, "JSON"), ({"page": "x" * MOST_NOTE_BYTES}, "bytes")]
)
async def test_what_cannot_be_kept_is_refused_by_name(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    @action
    async def order(ctx: Context) -> None:
        await ctx.note(**values)

    async with executor(tmp_path, order) as (node, _):
        result = await node.handle(command("f", "order"))
        assert result is not None
        assert result.outcome == "failed"
        assert says in (result.error or "")
        assert not result.noted


async def test_notes_go_with_their_command(tmp_path: Path) -> None:
    shop = Shop()
    async with executor(tmp_path, *shop.actions()) as (node, ledger):
        await node.handle(command("f", "order"))
        await ledger.confirm("f")
        assert await ledger.prune(-60) == 1
        assert await ledger.database.execute("SELECT * FROM fleetfold_note") == []
