"""The CRM's customers and what they owe: charges within a credit limit, and refunds. Money is stored in pence."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_child.ledger.node_database import Database
from fleetfold_demo.samples import records

__all__ = [
    "ACCOUNT_ACTIONS",
    "Balance",
    "Charge",
    "balance_of",
    "charge_customer",
    "customer",
    "prepare_accounts",
    "refund_customer",
]

Pounds = Annotated[float, msgspec.Meta(ge=0.01, le=1_000_000)]


class Charge(msgspec.Struct, frozen=True):
    """An amount put on a customer's account, and what the customer `owes` in all; both in pounds."""

    charge_id: str
    customer_id: str
    amount: float
    owes: float


class Balance(msgspec.Struct, frozen=True):
    """What a customer `owes`, in pounds."""

    customer_id: str
    owes: float


@action
async def balance_of(ctx: Context, customer_id: str) -> Balance:
    """What a customer owes."""
    return Balance(customer_id, (await customer(ctx.db, customer_id))["owed_pence"] / 100)


@action(kind="transactional")
async def charge_customer(ctx: Context, customer_id: str, amount: Pounds) -> Charge:
    """Put an amount, in pounds, on a customer's account; refuses what goes over the credit limit."""
    pence = round(amount * 100)
    account = await customer(ctx.tx, customer_id)
    free = account["limit_pence"] - account["owed_pence"]
    if pence > free:
        raise Refused(f"{account['name']} has {free / 100:.2f} of credit left, {pence / 100:.2f} wanted")
    charge_id = f"CH-{ctx.key}"
    await ctx.tx.execute("UPDATE customer SET owed_pence = owed_pence + ? WHERE id = ?", (pence, customer_id))
    await ctx.tx.execute(
        "INSERT INTO charge (id, customer_id, pence, state) VALUES (?, ?, ?, 'charged')",
        (charge_id, customer_id, pence),
    )
    return Charge(charge_id, customer_id, pence / 100, (account["owed_pence"] + pence) / 100)


@action(kind="transactional")
async def refund_customer(ctx: Context, charge_id: str) -> Charge:
    """Take a charge off the customer's account again; a second time changes nothing."""
    found = await ctx.tx.execute("SELECT customer_id, pence, state FROM charge WHERE id = ?", (charge_id,))
    if not found:
        raise Refused(f"there is no charge {charge_id}")
    customer_id, pence = found[0]["customer_id"], found[0]["pence"]
    if found[0]["state"] == "charged":
        await ctx.tx.execute("UPDATE charge SET state = 'refunded' WHERE id = ?", (charge_id,))
        await ctx.tx.execute("UPDATE customer SET owed_pence = owed_pence - ? WHERE id = ?", (pence, customer_id))
    account = await customer(ctx.tx, customer_id)
    return Charge(charge_id, customer_id, pence / 100, account["owed_pence"] / 100)


ACCOUNT_ACTIONS = [balance_of, charge_customer, refund_customer]


async def customer(db: Database, customer_id: str) -> dict[str, Any]:
    """The customer's row: id, name, limit_pence, owed_pence. `Refused` when there is no such customer."""
    rows = await db.execute("SELECT * FROM customer WHERE id = ?", (customer_id,))
    if not rows:
        raise Refused(f"there is no customer {customer_id}")
    return rows[0]


async def prepare_accounts(db: Database) -> None:
    """Create the tables with the sample customers, who owe nothing; accounts that are there stay as they are."""
    await db.execute(
        "CREATE TABLE IF NOT EXISTS customer (id TEXT PRIMARY KEY, name TEXT NOT NULL, limit_pence INTEGER NOT NULL, "
        "owed_pence INTEGER NOT NULL CHECK (owed_pence BETWEEN 0 AND limit_pence))"
    )
    await db.execute(
        "CREATE TABLE IF NOT EXISTS charge (id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customer (id), "
        "pence INTEGER NOT NULL CHECK (pence > 0), state TEXT NOT NULL CHECK (state IN ('charged', 'refunded')))"
    )
    await db.execute(
        "INSERT OR IGNORE INTO customer SELECT json_extract(value, '$.id'), json_extract(value, '$.name'), "
        "CAST(round(100 * json_extract(value, '$.credit_limit')) AS INTEGER), 0 FROM json_each(?)",
        (json.dumps(records("customers")),),
    )
