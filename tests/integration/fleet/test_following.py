"""Transactions by name, built in Python, followed as they go, and undone by what their steps noted: the whole fleet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from fleetfold import Context, Transaction, action, step
from fleetfold_shared.errors import DeadlineExceeded, NotFound, Unavailable
from fleetfold_shared.messages import TimelineEntry, TransactionView
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]

STRIKE = step.compensation("strike", entry=step["entry"])


@pytest.fixture
async def pair(fleet: Fleet) -> AsyncIterator[Fleet]:
    """A shop and a crm."""
    for name in ("shop", "crm"):
        await fleet.start_child(name)
    return fleet


async def followed(fleet: Fleet, key: str, after: int = 0) -> list[TimelineEntry | TransactionView]:
    return [one async for one in fleet.client.transactions.follow(key, after=after, timeout_s=30)]


def entered(name: str = "", seconds: float = 0.0) -> Transaction:
    tx = Transaction(name)
    tag = tx.input("tag", default="t")
    first = tx.step("shop.enter", name="a", tx=tag, step="a", seconds=seconds, rollback=STRIKE)
    tx.step("crm.enter", name="b", tx=first["entry"], step="b", seconds=seconds, rollback=STRIKE)
    return tx


async def test_a_transaction_is_kept_and_run_by_its_name(pair: Fleet) -> None:
    stored = await pair.client.definitions.put(entered("books"))
    assert (stored.version, stored.fresh, stored.warnings) == (1, True, [])
    view = await pair.client.transact("books", inputs={"tag": "x"})
    assert (view.state, view.definition, view.name) == ("committed", "books@1", "books")
    assert [one.name for one in await pair.client.definitions.list()] == ["books"]
    assert (await pair.client.definitions.get("books")).definition == entered("books").definition()
    assert await pair.client.definitions.remove("books") == 1
    with pytest.raises(NotFound):
        await pair.client.transact("books")


async def test_what_is_built_is_run_with_its_defaults(pair: Fleet) -> None:
    assert (await pair.client.transactions.check(entered())).state == "checked"
    assert (await pair.client.transact(entered())).state == "committed"


async def test_each_entry_is_told_once_and_the_transaction_last(pair: Fleet) -> None:
    view = await pair.client.transact(entered(seconds=0.2), detach=True)
    *entries, ended = await followed(pair, view.id)
    assert isinstance(ended, TransactionView)
    assert (ended.state, ended.timeline) == ("committed", entries)
    assert await followed(pair, view.id) == [*entries, ended]
    assert await followed(pair, view.id, after=4) == [*entries[4:], ended]


async def test_following_outlives_a_master_and_repeats_nothing(pair: Fleet) -> None:
    view = await pair.client.transact(entered(seconds=1.0), detach=True)
    heard: list[TimelineEntry | TransactionView] = []
    async with aclosing(pair.client.transactions.follow(view.id, timeout_s=60)) as news:
        async for one in news:
            heard.append(one)
            if len(heard) == 2:
                await pair.stop_master()
                await pair.start_master()
    *entries, ended = heard
    assert isinstance(ended, TransactionView)
    assert (ended.state, ended.timeline) == ("committed", entries)
    assert "taken over" in [entry.what for entry in ended.timeline]


async def test_who_follows_does_not_wait_for_ever(pair: Fleet) -> None:
    await pair.stop_child("crm")
    view = await pair.client.transact(entered(), detach=True)
    with pytest.raises(DeadlineExceeded, match="it goes on"):
        async for _ in pair.client.transactions.follow(view.id, timeout_s=0.5):
            pass
    with pytest.raises(NotFound):
        await anext(pair.client.transactions.follow("nothing"))
    await pair.stop_master()
    with pytest.raises(Unavailable):
        await anext(pair.client.transactions.follow(view.id))


async def test_a_step_that_timed_out_midway_is_undone_by_what_it_noted(fleet: Fleet) -> None:
    cancelled: list[tuple[str, str]] = []

    @action(kind="once")
    async def order(ctx: Context, sku: str) -> None:
        await ctx.note(order_id=f"O-{sku}")
        await asyncio.Event().wait()

    @action
    async def cancel(ctx: Context, order_id: str) -> None:
        assert ctx.forward is not None
        cancelled.append((order_id, ctx.forward.outcome))

    await fleet.start(fleet.declare("shop").add(order, cancel))
    tx = Transaction()
    tx.step("shop.order", sku="7", timeout_s=0.5, rollback=step.compensation("cancel", order_id=step.log["order_id"]))
    view = await fleet.client.transact(tx)
    assert (view.state, [one.state for one in view.steps]) == ("rolled_back", ["compensated"])
    assert cancelled == [("O-7", "timed_out")]
