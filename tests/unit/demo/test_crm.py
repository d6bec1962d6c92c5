"""The CRM's orders, tickets and accounts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleetfold_child.commands.actions import Action
from fleetfold_child.commands.context import Refused
from fleetfold_demo.accounts import Charge, charge_customer, customer, refund_customer
from fleetfold_demo.crm import ACTIONS, prepare
from fleetfold_demo.orders import Order, cancel_order, create_order, order_status, pack_order
from fleetfold_demo.samples import records
from fleetfold_demo.tickets import Ticket, close_ticket, open_ticket
from support.demo_node import DemoNode

AISLING = "C-1001"  # 600 pounds of credit
ORDER: dict[str, Any] = {"customer_id": AISLING, "sku": "BTS-704", "quantity": 2, "note": "One pair to race in."}
DELIVERED = next(order["id"] for order in records("orders") if order["status"] == "delivered")


def status_in_index(node: DemoNode, order_id: str = "O-k1") -> str:
    return node.collections["orders"].by_id[order_id]["status"]


async def orders_in(node: DemoNode) -> list[dict[str, Any]]:
    return await node.db.execute("SELECT * FROM orders ORDER BY id")


async def test_a_created_order_is_in_the_table_and_in_the_index(node: DemoNode) -> None:
    created = await node.run(create_order, **ORDER)
    assert created == Order("O-k1", AISLING, "BTS-704", 2, "placed")
    assert await node.run(order_status, order_id="O-k1") == created
    document = node.collections["orders"].by_id["O-k1"]
    assert document["title"] == "Order of 2 x BTS-704 for Aisling Brennan"
    assert document["content"] == ORDER["note"]


async def test_an_order_for_an_unknown_customer_leaves_nothing(node: DemoNode) -> None:
    before = await orders_in(node)
    with pytest.raises(Refused, match="no customer C-9"):
        await node.run(create_order, **{**ORDER, "customer_id": "C-9"})
    assert await orders_in(node) == before
    assert "O-k1" not in node.collections["orders"].by_id


async def test_a_cancelled_order_stays_cancelled(node: DemoNode) -> None:
    await node.run(create_order, **ORDER)
    for _ in range(2):
        assert (await node.run(cancel_order, order_id="O-k1")).status == "cancelled"
    assert status_in_index(node) == "cancelled"


async def test_an_order_that_has_left_the_house_cannot_be_cancelled(node: DemoNode) -> None:
    with pytest.raises(Refused, match="is delivered"):
        await node.run(cancel_order, order_id=DELIVERED)
    assert (await node.run(order_status, order_id=DELIVERED)).status == "delivered"


@pytest.mark.parametrize("action", [cancel_order, order_status, pack_order])
async def test_an_unknown_order_is_refused_by_name(node: DemoNode, action: Action[Any, Any]) -> None:
    with pytest.raises(Refused, match="no order O-9"):
        await node.run(action, order_id="O-9")


async def test_a_packed_order_stays_packed(node: DemoNode) -> None:
    await node.run(create_order, **ORDER)
    for _ in range(2):
        assert (await node.run(pack_order, order_id="O-k1", seconds=0)).status == "packed"
    assert status_in_index(node) == "packed"


async def test_packing_that_was_interrupted_can_be_done_again(node: DemoNode) -> None:
    await node.run(create_order, **ORDER)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(node.run(pack_order, order_id="O-k1", seconds=60), timeout=0.05)
    assert (await node.run(order_status, order_id="O-k1")).status == "placed"
    assert (await node.run(pack_order, order_id="O-k1", seconds=0)).status == "packed"


async def test_an_order_cancelled_while_it_is_packed_stays_cancelled(
    node: DemoNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancel_meanwhile(seconds: float) -> None:
        await node.run(cancel_order, order_id="O-k1")

    await node.run(create_order, **ORDER)
    monkeypatch.setattr("fleetfold_demo.orders.asyncio.sleep", cancel_meanwhile)
    with pytest.raises(Refused, match="is cancelled"):
        await node.run(pack_order, order_id="O-k1")
    assert status_in_index(node) == "cancelled"


async def test_the_records_of_the_table_are_those_of_the_index(node: DemoNode) -> None:
    await node.run(create_order, **ORDER)
    by_id = {record["id"]: record for record in await orders_in(node)}
    assert by_id == node.collections["orders"].by_id


async def test_a_ticket_is_opened_once_and_closed(node: DemoNode) -> None:
    before = len(node.collections["tickets"].by_id)
    for _ in range(2):
        opened = await node.run(open_ticket, customer_id=AISLING, title="Lug torn", body="On the left heel.")
        assert opened == Ticket("T-k1", "open")
    assert len(node.collections["tickets"].by_id) == before + 1
    assert await node.run(close_ticket, ticket_id="T-k1") == Ticket("T-k1", "closed")
    assert node.collections["tickets"].by_id["T-k1"]["status"] == "closed"


async def test_an_unknown_ticket_cannot_be_closed(node: DemoNode) -> None:
    with pytest.raises(Refused, match="no ticket T-9"):
        await node.run(close_ticket, ticket_id="T-9")


async def test_charges_add_up_to_the_credit_limit_and_not_beyond(node: DemoNode) -> None:
    assert await node.run(charge_customer, customer_id=AISLING, amount=599.99) == Charge(
        "CH-k1", AISLING, 599.99, 599.99
    )
    with pytest.raises(Refused, match=r"Aisling Brennan has 0\.01 of credit left, 0\.02 wanted"):
        await node.run(charge_customer, key="k2", customer_id=AISLING, amount=0.02)
    assert (await node.run(charge_customer, key="k3", customer_id=AISLING, amount=0.01)).owes == 600


async def test_a_refund_happens_once(node: DemoNode) -> None:
    await node.run(charge_customer, customer_id=AISLING, amount=100)
    await node.run(charge_customer, key="k2", customer_id=AISLING, amount=20)
    for _ in range(2):
        assert await node.run(refund_customer, charge_id="CH-k1") == Charge("CH-k1", AISLING, 100, 20)


async def test_preparing_again_keeps_orders_and_debts(node: DemoNode) -> None:
    await node.run(create_order, **ORDER)
    await node.run(cancel_order, order_id="O-k1")
    await node.run(charge_customer, customer_id=AISLING, amount=50)
    await prepare(node.db)
    assert (await node.run(order_status, order_id="O-k1")).status == "cancelled"
    assert (await customer(node.db, AISLING))["owed_pence"] == 5000


def test_the_names_of_the_crms_actions_are_its_contract() -> None:
    assert {action.info.name for action in ACTIONS} == {
        "create_order", "cancel_order", "order_status", "pack_order", "open_ticket", "close_ticket",
        "balance_of", "charge_customer", "refund_customer",
    }  # fmt: skip
