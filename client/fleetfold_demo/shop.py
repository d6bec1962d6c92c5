"""The shop's actions: stock that can be reserved and given back, and prices.

Stock lives in the node's own database, so that a reservation is committed together with the command's result.
The price belongs to the product's document, so that a search shows the new one at once.
"""

from __future__ import annotations

import json
from typing import Annotated

import msgspec

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_child.ledger.node_database import Database
from fleetfold_demo.samples import records
from fleetfold_shared.errors import NotFound

__all__ = [
    "ACTIONS",
    "Price",
    "Released",
    "Reserved",
    "Stock",
    "change_price",
    "prepare",
    "release_stock",
    "reserve_stock",
    "stock_of",
]

Quantity = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Pounds = Annotated[float, msgspec.Meta(gt=0, le=100_000)]


class Reserved(msgspec.Struct, frozen=True):
    """Goods put aside, and how many are `left` for others."""

    reservation_id: str
    sku: str
    quantity: int
    left: int


class Released(msgspec.Struct, frozen=True):
    """A reservation that no longer holds anything, and how many are `left` now."""

    reservation_id: str
    sku: str
    quantity: int
    left: int


class Stock(msgspec.Struct, frozen=True):
    """How many of a product are `left` to reserve."""

    sku: str
    left: int


class Price(msgspec.Struct, frozen=True):
    """What a product costs now, in pounds."""

    sku: str
    price: float


@action(kind="transactional")
async def reserve_stock(ctx: Context, sku: str, quantity: Quantity = 1) -> Reserved:
    """Put `quantity` of a product aside; refuses when there are too few."""
    units = await _units(ctx.tx, sku)
    if units < quantity:
        raise Refused(f"only {units} of {sku} left, {quantity} wanted")
    reservation_id = f"R-{ctx.key}"
    await ctx.tx.execute("UPDATE stock SET units = units - ? WHERE sku = ?", (quantity, sku))
    await ctx.tx.execute(
        "INSERT INTO reservation (id, sku, quantity, state) VALUES (?, ?, ?, 'held')", (reservation_id, sku, quantity)
    )
    return Reserved(reservation_id, sku, quantity, units - quantity)


@action(kind="transactional")
async def release_stock(ctx: Context, reservation_id: str) -> Released:
    """Give reserved goods back to the stock; a second time changes nothing."""
    found = await ctx.tx.execute("SELECT sku, quantity, state FROM reservation WHERE id = ?", (reservation_id,))
    if not found:
        raise Refused(f"there is no reservation {reservation_id}")
    sku, quantity = found[0]["sku"], found[0]["quantity"]
    if found[0]["state"] == "held":
        await ctx.tx.execute("UPDATE reservation SET state = 'released' WHERE id = ?", (reservation_id,))
        await ctx.tx.execute("UPDATE stock SET units = units + ? WHERE sku = ?", (quantity, sku))
    return Released(reservation_id, sku, quantity, await _units(ctx.tx, sku))


@action
async def stock_of(ctx: Context, sku: str) -> Stock:
    """How many of a product are left to reserve."""
    return Stock(sku, await _units(ctx.db, sku))


@action
async def change_price(ctx: Context, sku: str, price: Pounds) -> Price:
    """Set the price of a product, in pounds; a search shows it at once."""
    products = ctx.collection("products")
    try:
        await products.update(sku, {"price": price})
    except NotFound:
        raise _unknown(sku) from None
    return Price(sku, price)


ACTIONS = [reserve_stock, release_stock, stock_of, change_price]


async def prepare(db: Database) -> None:
    """Create the tables and put the sample products in stock; what is there already stays as it is."""
    await db.execute(
        "CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, units INTEGER NOT NULL CHECK (units >= 0))"
    )
    await db.execute(
        "CREATE TABLE IF NOT EXISTS reservation (id TEXT PRIMARY KEY, sku TEXT NOT NULL REFERENCES stock (sku), "
        "quantity INTEGER NOT NULL CHECK (quantity > 0), "
        "state TEXT NOT NULL CHECK (state IN ('held', 'released')))"
    )
    await db.execute(
        "INSERT OR IGNORE INTO stock SELECT json_extract(value, '$.id'), json_extract(value, '$.stock') "
        "FROM json_each(?)",
        (json.dumps(records("products")),),
    )


async def _units(db: Database, sku: str) -> int:
    rows = await db.execute("SELECT units FROM stock WHERE sku = ?", (sku,))
    if not rows:
        raise _unknown(sku)
    return int(rows[0]["units"])


def _unknown(sku: str) -> Refused:
    return Refused(f"there is no product {sku}")
