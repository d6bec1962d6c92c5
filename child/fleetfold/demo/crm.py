"""The CRM of the demo: what its node can do, and the tables it needs."""

from __future__ import annotations

from fleetfold.demo.accounts import ACCOUNT_ACTIONS, prepare_accounts
from fleetfold.demo.orders import ORDER_ACTIONS, prepare_orders
from fleetfold.demo.tickets import TICKET_ACTIONS
from fleetfold_child.database import Database

__all__ = ["ACTIONS", "prepare"]

ACTIONS = [*ORDER_ACTIONS, *TICKET_ACTIONS, *ACCOUNT_ACTIONS]


async def prepare(db: Database) -> None:
    """Create the tables and load the samples; what is there already stays as it is."""
    await prepare_accounts(db)
    await prepare_orders(db)
