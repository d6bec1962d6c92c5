"""The CRM's orders: created, packed, cancelled.

The table `orders` is the truth, and each row is also a document of the same fields in the collection `orders`.
The document is written last, under the order's own id: running the action again writes the same one again.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_child.ledger.node_database import Database
from fleetfold_demo.accounts import customer
from fleetfold_demo.samples import records

__all__ = [
    "ORDER_ACTIONS",
    "Order",
    "cancel_order",
    "create_order",
    "order_status",
    "pack_order",
    "prepare_orders",
]

Quantity = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Sku = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Note = Annotated[str, msgspec.Meta(max_length=2000)]
PackingSeconds = Annotated[float, msgspec.Meta(ge=0, le=60)]


class Order(msgspec.Struct, frozen=True):
    """An order as it stands; `status` is placed, packed, shipped, delivered or cancelled."""

    order_id: str
    customer_id: str
    sku: str
    quantity: int
    status: str


@action(kind="transactional")
async def create_order(ctx: Context, customer_id: str, sku: Sku, quantity: Quantity, note: Note = "") -> Order:
    """Place an order for a customer; searches find it at once."""
    buyer = await customer(ctx.tx, customer_id)
    order = {
        "id": f"O-{ctx.key}",
        "title": f"Order of {quantity} x {sku} for {buyer['name']}",
        "content": note,
        "customer_id": customer_id,
        "sku": sku,
        "quantity": quantity,
        "status": "placed",
        "created": datetime.now(UTC).date().isoformat(),
    }
    await ctx.tx.execute(
        "INSERT INTO orders (id, title, content, customer_id, sku, quantity, status, created) "
        "VALUES (:id, :title, :content, :customer_id, :sku, :quantity, :status, :created)",
        order,
    )
    return await _indexed(ctx, order)


@action(kind="transactional")
async def cancel_order(ctx: Context, order_id: str) -> Order:
    """Cancel an order that has not left the house; a second time changes nothing."""
    order = await _order(ctx.tx, order_id)
    if order["status"] in {"shipped", "delivered"}:
        raise Refused(f"order {order_id} is {order['status']}: it cannot be cancelled")
    await ctx.tx.execute("UPDATE orders SET status = 'cancelled' WHERE id = ?", (order_id,))
    return await _indexed(ctx, {**order, "status": "cancelled"})


@action
async def order_status(ctx: Context, order_id: str) -> Order:
    """How an order stands."""
    return _to_order(await _order(ctx.db, order_id))


@action(timeout=90)
async def pack_order(ctx: Context, order_id: str, seconds: PackingSeconds = 2.0) -> Order:
    """Pack an order, which takes `seconds`; one that is packed already stays packed."""
    await _order(ctx.db, order_id)
    await asyncio.sleep(seconds)
    await ctx.db.execute("UPDATE orders SET status = 'packed' WHERE id = ? AND status = 'placed'", (order_id,))
    order = await _order(ctx.db, order_id)
    if order["status"] != "packed":  # cancelled in the meantime, or gone already
        raise Refused(f"order {order_id} is {order['status']}: it cannot be packed")
    return await _indexed(ctx, order)


ORDER_ACTIONS = [create_order, cancel_order, order_status, pack_order]


async def prepare_orders(db: Database) -> None:
    """Create the table with the sample orders; orders that are there already stay as they are."""
    await db.execute(
        "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, title TEXT NOT NULL, content TEXT NOT NULL, "
        "customer_id TEXT NOT NULL, sku TEXT NOT NULL, quantity INTEGER NOT NULL CHECK (quantity > 0), "
        "status TEXT NOT NULL CHECK (status IN ('placed', 'packed', 'shipped', 'delivered', 'cancelled')), "
        "created TEXT NOT NULL)"
    )
    await db.execute(
        "INSERT OR IGNORE INTO orders (id, title, content, customer_id, sku, quantity, status, created) "
        "SELECT json_extract(value, '$.id'), json_extract(value, '$.title'), json_extract(value, '$.content'), "
        "json_extract(value, '$.customer_id'), json_extract(value, '$.sku'), json_extract(value, '$.quantity'), "
        "json_extract(value, '$.status'), json_extract(value, '$.created') FROM json_each(?)",
        (json.dumps(records("orders")),),
    )


async def _order(db: Database, order_id: str) -> dict[str, Any]:
    rows = await db.execute("SELECT * FROM orders WHERE id = ?", (order_id,))
    if not rows:
        raise Refused(f"there is no order {order_id}")
    return rows[0]


async def _indexed(ctx: Context, row: dict[str, Any]) -> Order:
    await ctx.collection("orders").index([row])
    return _to_order(row)


def _to_order(row: dict[str, Any]) -> Order:
    return Order(row["id"], row["customer_id"], row["sku"], row["quantity"], row["status"])
