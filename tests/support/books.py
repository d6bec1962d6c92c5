"""Actions that keep books: each writes down what it did in its child's own database, for a test to count.

`do` is an action's effect and `undo` that of its rollback, with the moment by the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import time
from typing import Literal

import msgspec

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context, Refused
from fleetfold_child.ledger.node_database import Database

__all__ = ["ACTIONS", "Entry", "Mood", "Wired", "after", "before", "prepare"]

Mood = Literal["calm", "refuse", "overrun"]
"""`refuse` says no before it does anything; `overrun` does it and then takes longer than it may."""

OVERRUN_S = 30.0
INSERT = "INSERT INTO effect SELECT :tx, :step, :stage, :what, :key, :at"
ONCE_PER_KEY = f"{INSERT} WHERE NOT EXISTS (SELECT 1 FROM effect WHERE key = :key)"
IF_DONE = f"{ONCE_PER_KEY} AND EXISTS (SELECT 1 FROM effect WHERE tx = :tx AND step = :step AND what = 'do')"


class Entry(msgspec.Struct, frozen=True):
    """What a rollback of `enter` needs to know."""

    entry: str


class Wired(msgspec.Struct, frozen=True):
    """What `wire` says of what it did."""

    wired: str


async def prepare(db: Database) -> None:
    """Create the table; called at each start of a child."""
    await db.execute("CREATE TABLE IF NOT EXISTS effect (tx TEXT, step TEXT, stage INT, what TEXT, key TEXT, at INT)")


@action(kind="transactional")
async def enter(
    ctx: Context, tx: str, step: str = "", stage: int = 0, mood: Mood = "calm", seconds: float = 0.0
) -> Entry:
    """Exactly once, whatever dies."""
    await before(mood, seconds)
    await ctx.tx.execute(INSERT, _row(ctx, tx, step, stage, "do"))
    await after(mood)
    return Entry(ctx.key)


@action(kind="transactional")
async def strike(ctx: Context, entry: str) -> None:
    """Undo what `enter` has entered as `entry`."""
    [found] = await ctx.tx.execute("SELECT tx, step, stage FROM effect WHERE key = ?", (entry,))
    await ctx.tx.execute(INSERT, _row(ctx, found["tx"], found["step"], found["stage"], "undo"))


@action
async def post(
    ctx: Context, tx: str, step: str = "", stage: int = 0, mood: Mood = "calm", seconds: float = 0.0
) -> None:
    """At least once, with a key that makes it once."""
    await before(mood, seconds)
    await ctx.db.execute(ONCE_PER_KEY, _row(ctx, tx, step, stage, "do"))
    await after(mood)


@action
async def withdraw(ctx: Context, tx: str, step: str, stage: int) -> None:
    """Undo what `post` has posted, if it has."""
    await ctx.db.execute(IF_DONE, _row(ctx, tx, step, stage, "undo"))


@action(kind="once")
async def phone(
    ctx: Context, tx: str, step: str = "", stage: int = 0, mood: Mood = "calm", seconds: float = 0.0
) -> None:
    """At most once."""
    await before(mood, seconds)
    await ctx.db.execute(INSERT, _row(ctx, tx, step, stage, "do"))
    await after(mood)


async def wired(ctx: Context) -> Wired | None:
    """Whether `wire` has happened, as its target knows it."""
    found = await ctx.db.execute("SELECT 1 FROM effect WHERE key = ?", (ctx.key,))
    return Wired(ctx.key) if found else None


@action(kind="once", check=wired)
async def wire(
    ctx: Context, tx: str, step: str = "", stage: int = 0, mood: Mood = "calm", seconds: float = 0.0
) -> Wired:
    """Once: after a crash its target is asked whether it happened."""
    await before(mood, seconds)
    await ctx.db.execute(INSERT, _row(ctx, tx, step, stage, "do"))
    await after(mood)
    return Wired(ctx.key)


@action
async def stumble(ctx: Context, at_length: int = 0) -> None:
    """Raise what nobody expects."""
    raise ZeroDivisionError("the divisor was nought" + "!" * at_length)


@action(cancel_grace=0.5)
async def doze(ctx: Context, seconds: float = 1.0) -> None:
    """Take a while."""
    await asyncio.sleep(seconds)


@action
async def tell(ctx: Context, size: int) -> str:
    """Have much to say."""
    return "x" * size


ACTIONS = [enter, strike, post, withdraw, phone, wire, stumble, doze, tell]


async def before(mood: Mood, seconds: float) -> None:
    """What an action does before its effect, in this mood."""
    if mood == "refuse":
        raise Refused("not today")
    await asyncio.sleep(seconds)


async def after(mood: Mood) -> None:
    """What an action does after its effect, in this mood."""
    if mood == "overrun":
        await asyncio.sleep(OVERRUN_S)


def _row(ctx: Context, tx: str, step: str, stage: int, what: str) -> dict[str, str | int]:
    return {"tx": tx, "step": step, "stage": stage, "what": what, "key": ctx.key, "at": time.monotonic_ns()}
