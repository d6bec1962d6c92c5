"""The CRM's tickets: opened and closed. A ticket is its document in the collection `tickets`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_demo.accounts import customer
from fleetfold_shared.errors import NotFound

__all__ = ["TICKET_ACTIONS", "Ticket", "close_ticket", "open_ticket"]

Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Body = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]


class Ticket(msgspec.Struct, frozen=True):
    """A ticket as it stands; `status` is open or closed."""

    ticket_id: str
    status: str


@action
async def open_ticket(ctx: Context, customer_id: str, title: Line, body: Body) -> Ticket:
    """Open a ticket for a customer; searches find it at once."""
    await customer(ctx.db, customer_id)
    ticket_id = f"T-{ctx.key}"  # a repeated command replaces its own ticket instead of adding another
    created = datetime.now(UTC).date().isoformat()
    ticket = {
        "id": ticket_id, "title": title, "body": body, "customer_id": customer_id, "status": "open", "created": created,
    }  # fmt: skip
    await ctx.collection("tickets").index([ticket])
    return Ticket(ticket_id, "open")


@action
async def close_ticket(ctx: Context, ticket_id: str) -> Ticket:
    """Close a ticket; one that is closed already stays closed."""
    tickets = ctx.collection("tickets")
    try:
        await tickets.update(ticket_id, {"status": "closed"})
    except NotFound:
        raise Refused(f"there is no ticket {ticket_id}") from None
    return Ticket(ticket_id, "closed")


TICKET_ACTIONS = [open_ticket, close_ticket]
