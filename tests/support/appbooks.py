"""Actions that keep books in the application's own database `shop`, for a test to count."""

from __future__ import annotations

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context, Refused

__all__ = ["ACTIONS", "Booked"]

Booked = dict[str, str]


@action(kind="transactional", database="shop")
async def book(ctx: Context, refuse: bool = False) -> Booked:
    """Exactly once, whatever dies."""
    await ctx.tx.execute("INSERT INTO effect VALUES (:id, 'do')", {"id": ctx.key})
    if refuse:
        raise Refused("not today")
    return {"entry": ctx.key}


@action(kind="transactional", database="shop")
async def unbook(ctx: Context, entry: str) -> None:
    """Undo what `book` has entered."""
    await ctx.tx.execute("INSERT INTO effect VALUES (:id, 'undo')", {"id": entry})


ACTIONS = [book, unbook]
