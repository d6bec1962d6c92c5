"""The CRM of the demo: its node's actions, and its tables."""

from __future__ import annotations

from fleetfold_child.ledger.node_database import Database
from fleetfold_demo.accounts import ACCOUNT_ACTIONS, prepare_accounts
from fleetfold_demo.orders import ORDER_ACTIONS, prepare_orders
from fleetfold_demo.tickets import TICKET_ACTIONS

__all__ = ["ACTIONS", "prepare"]

ACTIONS = [*ORDER_ACTIONS, *TICKET_ACTIONS, *ACCOUNT_ACTIONS]


async def prepare(db: Database) -> None:
    """Create the tables and load the samples; what is there already stays as it is."""
    await prepare_accounts(db)
    await prepare_orders(db)
