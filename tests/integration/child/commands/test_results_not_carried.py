"""Results that cannot travel: the effect stands and the outcome says so, and a rollback gets what is known of them."""

from __future__ import annotations

from collections import UserDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.executor import ExecutionLimits
from fleetfold_shared.messages import ActionKind, RetryPolicy
from support.executors import command, compensation_of, executor

LIMIT = 1000
STANDS = "the action ran and its effect stands; its result could not be carried: "


class Receipt(msgspec.Struct):
    order_id: str
    receipt: Any


@dataclass
class Paper:
    order_id: str
    receipt: Any


class Torn(UserDict[str, Any]):
    def items(self) -> Any:
        raise ZeroDivisionError


def _value(what: str) -> Any:
    return {
        "too large": {"order_id": "o-1", "receipt": "x" * LIMIT},
        "an object": Receipt("o-1", object()),
        "an object in a dataclass": Paper("o-1", object()),
        "a set of sets": {"order_id": "o-1", "receipt": {frozenset({object()})}},
        "not a number": {"order_id": "o-1", "receipt": [1.0, float("nan")]},
        "infinite": {"order_id": "o-1", "receipt": float("inf")},
        "half a character": {"order_id": "o-1", "receipt": "\ud800"},
        "bare object": object(),
        "circle": _circle(),
        "half a key": {"order_id": "o-1", "\ud800": 1},
        "an odd mapping": Torn(order_id="o-1"),
        "two keys": {"order_id": "o-1", "receipt": {1: "paid", "1": "open"}},
    }[what]


def _circle() -> dict[str, Any]:
    circle: dict[str, Any] = {"order_id": "o-1"}
    circle["receipt"] = circle
    return circle


SAID = [
    ("too large", "it is 1031 bytes of JSON; at most 1000 can travel"),
    ("an object", "it cannot be said in JSON: Encoding objects of type object is unsupported"),
    ("an object in a dataclass", "it cannot be said in JSON: Encoding objects of type object is unsupported"),
    ("a set of sets", "it cannot be said in JSON: "),
    ("not a number", "result.receipt[1]: nan is not a number that JSON has"),
    ("infinite", "result.receipt: inf is not a number that JSON has"),
    ("half a character", "result.receipt: it is not valid Unicode"),
    ("circle", "it cannot be said in JSON: "),
    ("half a key", "result: a key: it is not valid Unicode"),
    ("two keys", "result: two keys of an object are the same in JSON"),
]


class Shop:
    """What happened there."""

    def __init__(self) -> None:
        self.orders: list[int] = []
        self.cancelled: list[Any] = []

    def order(self, kind: ActionKind) -> Any:
        @action(kind=kind, name="order", retry=RetryPolicy(attempts=3, backoff_s=0.0) if kind != "once" else None)
        async def order(ctx: Context, what: str) -> Any:
            self.orders.append(ctx.starts)
            return _value(what)

        return order

    def cancel(self) -> Any:
        @action(name="cancel")
        async def cancel(ctx: Context, order_id: str = "") -> Any:
            assert ctx.forward is not None
            self.cancelled.append((order_id, ctx.forward.outcome))
            return object()

        return cancel


@pytest.mark.parametrize("kind", ["idempotent", "once"])
@pytest.mark.parametrize(("what", "said"), [*SAID, ("an odd mapping", "it cannot be said in JSON: ")])
async def test_the_effect_stands_and_the_outcome_says_so(
    tmp_path: Path, kind: ActionKind, what: str, said: str
) -> None:
    shop = Shop()
    async with executor(tmp_path, shop.order(kind), limits=ExecutionLimits(max_result_bytes=LIMIT)) as (node, _):
        result = await node.handle(command("a", "order", what=what))
        again = await node.handle(command("a", "order", attempt=2, what=what))
        assert result is not None
        assert again is not None
        assert (result.outcome, result.result, again.outcome) == ("no_result", None, "no_result")
        assert (result.error or "").startswith(STANDS + said)
        assert shop.orders == [1], "it is not tried again, by no policy"


@pytest.mark.parametrize(("what", "said"), SAID)
async def test_its_rollback_gets_what_is_known(tmp_path: Path, what: str, said: str) -> None:
    shop = Shop()
    async with executor(
        tmp_path, shop.order("once"), shop.cancel(), limits=ExecutionLimits(max_result_bytes=LIMIT)
    ) as (node, _):
        await node.handle(command("a", "order", what=what))
        undone = await node.handle(compensation_of("a", "cancel", order_id="{{order_id}}"))
        assert undone is not None
        assert (undone.outcome, shop.cancelled) == ("ok", [("o-1", "no_result")])


async def test_a_rollback_that_needs_what_is_not_known_is_for_an_operator(tmp_path: Path) -> None:
    shop = Shop()
    async with executor(
        tmp_path, shop.order("once"), shop.cancel(), limits=ExecutionLimits(max_result_bytes=LIMIT)
    ) as (node, _):
        for key, what in (("a", "bare object"), ("b", "not a number")):
            await node.handle(command(key, "order", what=what))
        whole = await node.handle(compensation_of("a", "cancel", order_id="{{order_id}}"))
        part = await node.handle(compensation_of("b", "cancel", order_id="{{receipt}}"))
        assert [each.outcome for each in (whole, part) if each] == ["unknown", "rejected"]
        assert part is not None
        assert part.error == "{{receipt}}: there is no 'receipt'; holds order_id"
        assert shop.cancelled == []


async def test_a_rollback_that_needs_no_result_runs(tmp_path: Path) -> None:
    shop = Shop()
    async with executor(tmp_path, shop.order("once"), shop.cancel()) as (node, _):
        await node.handle(command("a", "order", what="bare object"))
        undone = await node.handle(compensation_of("a", "cancel"))
        assert undone is not None
        assert (undone.outcome, shop.cancelled) == ("ok", [("", "no_result")])


@pytest.mark.parametrize(("what", "said"), SAID)
async def test_a_transactional_action_is_rolled_back_before_its_commit(tmp_path: Path, what: str, said: str) -> None:
    @action(kind="transactional")
    async def order(ctx: Context, what: str) -> Any:
        await ctx.tx.execute("INSERT INTO effect VALUES (?)", (ctx.key,))
        return _value(what)

    async with executor(tmp_path, order, limits=ExecutionLimits(max_result_bytes=LIMIT)) as (node, ledger):
        await ledger.database.execute("CREATE TABLE effect (id TEXT)")
        result = await node.handle(command("a", "order", what=what))
        assert result is not None
        assert (result.outcome, result.result) == ("failed", None)
        assert (result.error or "").startswith(f"its result could not be carried, so nothing was committed: {said}")
        assert await ledger.database.execute("SELECT * FROM effect") == []


async def test_a_transactional_rollback_whose_result_nobody_reads_is_committed(tmp_path: Path) -> None:
    @action(kind="transactional")
    async def cancel(ctx: Context) -> Any:
        await ctx.tx.execute("INSERT INTO effect VALUES (?)", (ctx.key,))
        return object()

    shop = Shop()
    async with executor(tmp_path, shop.order("once"), cancel) as (node, ledger):
        await ledger.database.execute("CREATE TABLE effect (id TEXT)")
        await node.handle(command("a", "order", what="bare object"))
        undone = await node.handle(compensation_of("a", "cancel"))
        assert undone is not None
        assert (undone.outcome, len(await ledger.database.execute("SELECT * FROM effect"))) == ("ok", 1)


async def test_what_was_kept_goes_with_its_command(tmp_path: Path) -> None:
    shop = Shop()
    async with executor(tmp_path, shop.order("once"), limits=ExecutionLimits(max_result_bytes=LIMIT)) as (node, ledger):
        await node.handle(command("a", "order", what="too large"))
        assert len(await ledger.database.execute("SELECT * FROM fleetfold_kept_result")) == 1
        await ledger.confirm("a")
        assert await ledger.prune(-1) == 1
        assert await ledger.database.execute("SELECT * FROM fleetfold_kept_result") == []
