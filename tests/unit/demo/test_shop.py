"""The shop's stock and prices."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleetfold_child.commands.actions import Action
from fleetfold_child.commands.context import Refused
from fleetfold_demo.shop import Price, Released, Reserved, change_price, prepare, release_stock, reserve_stock, stock_of
from fleetfold_shared.errors import InvalidInput
from support.demo_node import DemoNode

TENT = "TNT-204"  # nine in stock
VEST = "INS-619"  # sold out


async def left(node: DemoNode) -> int:
    return (await node.run(stock_of, sku=TENT)).left


async def test_what_is_reserved_is_no_longer_left(node: DemoNode) -> None:
    assert await node.run(reserve_stock, sku=TENT, quantity=2) == Reserved("R-k1", TENT, 2, 7)
    assert await left(node) == 7


async def test_more_than_is_left_is_refused_and_takes_nothing(node: DemoNode) -> None:
    with pytest.raises(Refused, match="only 9 of TNT-204 left, 10 wanted"):
        await node.run(reserve_stock, sku=TENT, quantity=10)
    assert await left(node) == 9


async def test_a_product_that_is_sold_out_is_refused(node: DemoNode) -> None:
    with pytest.raises(Refused, match="only 0 of INS-619 left"):
        await node.run(reserve_stock, sku=VEST)


async def test_stock_is_never_promised_twice(node: DemoNode) -> None:
    attempts = (node.run(reserve_stock, key=f"k{number}", sku=TENT) for number in range(20))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, Reserved) for outcome in outcomes) == 9
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 11
    assert await left(node) == 0


async def test_what_is_released_comes_back_once(node: DemoNode) -> None:
    reserved = await node.run(reserve_stock, sku=TENT, quantity=4)
    for _ in range(2):
        released = await node.run(release_stock, reservation_id=reserved.reservation_id)
        assert released == Released("R-k1", TENT, 4, 9)
    assert await left(node) == 9


async def test_an_unknown_reservation_cannot_be_released(node: DemoNode) -> None:
    with pytest.raises(Refused, match="no reservation R-nowhere"):
        await node.run(release_stock, reservation_id="R-nowhere")


@pytest.mark.parametrize("action", [reserve_stock, stock_of])
async def test_an_unknown_product_is_refused_by_name(node: DemoNode, action: Action[Any, Any]) -> None:
    with pytest.raises(Refused, match="no product NOPE-1"):
        await node.run(action, sku="NOPE-1")


@pytest.mark.parametrize("quantity", [0, -1, "2", 1.5])
async def test_a_quantity_that_is_none_is_refused_by_name(node: DemoNode, quantity: object) -> None:
    with pytest.raises(InvalidInput, match=r"^quantity: "):
        await node.run(reserve_stock, sku=TENT, quantity=quantity)


async def test_a_new_price_is_in_the_document(node: DemoNode) -> None:
    assert await node.run(change_price, sku=TENT, price=299.5) == Price(TENT, 299.5)
    assert node.collections["products"].by_id[TENT]["price"] == 299.5


async def test_the_price_of_an_unknown_product_cannot_change(node: DemoNode) -> None:
    with pytest.raises(Refused, match="no product NOPE-1"):
        await node.run(change_price, sku="NOPE-1", price=1)


async def test_preparing_again_keeps_what_was_reserved(node: DemoNode) -> None:
    await node.run(reserve_stock, sku=TENT, quantity=3)
    await prepare(node.db)
    assert await left(node) == 6
