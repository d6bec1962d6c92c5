"""The actions of the chaos benchmark. Each writes down what it did, where its kind's effects are.

A transactional action writes into its node's own SQLite file, which is lost or set back with the ledger. The others
write into the world: a file of each node, in a folder of the benchmark's that no fault reaches. A row is appended by
one system call, so nobody who is frozen or cancelled can write it late. Each row has the process that wrote it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context
from fleetfold_child.ledger.node_database import Database
from support.books import Entry, Mood, Wired, after, before

__all__ = ["ACTIONS", "WORLD", "prepare", "world_rows"]

WORLD = "CHAOS_WORLD"
"""The environment variable with the world's folder."""
TABLE = (
    "CREATE TABLE IF NOT EXISTS effect"
    " (child TEXT, tx TEXT, step TEXT, stage INT, what TEXT, key TEXT, at INT, pid INT)"
)
INSERT = "INSERT INTO effect SELECT :child, :tx, :step, :stage, :what, :key, :at, :pid"


async def prepare(db: Database) -> None:
    """Create the table; called at each start of a child."""
    await db.execute(TABLE)


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
    _write_once(_row(ctx, tx, step, stage, "do"))
    await after(mood)


@action
async def withdraw(ctx: Context, tx: str, step: str, stage: int) -> None:
    """Undo what was done in the world, if it was."""
    if any((row["tx"], row["step"], row["what"]) == (tx, step, "do") for row in world_rows(ctx.node)):
        _write_once(_row(ctx, tx, step, stage, "undo"))


@action(kind="once")
async def phone(
    ctx: Context, tx: str, step: str = "", stage: int = 0, mood: Mood = "calm", seconds: float = 0.0
) -> None:
    """At most once."""
    await before(mood, seconds)
    _write(_row(ctx, tx, step, stage, "do"))
    await after(mood)


async def wired(ctx: Context) -> Wired | None:
    """Whether `wire` has happened, as the world knows it."""
    return Wired(ctx.key) if _is_known(ctx.node, ctx.key) else None


@action(kind="once", check=wired)
async def wire(
    ctx: Context, tx: str, step: str = "", stage: int = 0, mood: Mood = "calm", seconds: float = 0.0
) -> Wired:
    """Once: after a crash the world is asked whether it happened."""
    await before(mood, seconds)
    _write(_row(ctx, tx, step, stage, "do"))
    await after(mood)
    return Wired(ctx.key)


ACTIONS = [enter, strike, post, withdraw, phone, wire]


def _row(ctx: Context, tx: str, step: str, stage: int, what: str) -> dict[str, str | int]:
    return {
        "child": ctx.node, "tx": tx, "step": step, "stage": stage, "what": what, "key": ctx.key,
        "at": time.monotonic_ns(), "pid": os.getpid(),
    }  # fmt: skip


def _write_once(row: dict[str, str | int]) -> None:
    """Write a row whose key is not there."""
    if not _is_known(str(row["child"]), str(row["key"])):
        _write(row)


def _is_known(child: str, key: str) -> bool:
    return any(row["key"] == key for row in world_rows(child))


def _write(row: dict[str, str | int]) -> None:
    file = os.open(_file(str(row["child"])), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, msgspec.json.encode(row) + b"\n")
    finally:
        os.close(file)


def world_rows(child: str) -> Iterator[dict[str, str | int]]:
    """Yield what a child's actions wrote into the world, oldest first."""
    if _file(child).exists():
        yield from (msgspec.json.decode(line) for line in _file(child).read_bytes().splitlines())


def _file(child: str) -> Path:
    return Path(os.environ[WORLD]) / f"{child}.jsonl"
