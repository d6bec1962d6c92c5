"""A process that works through commands on a ledger, to be killed: prints `<id> <outcome>` for each that has ended.

Usage: ledger_worker.py DIRECTORY COMMANDS
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from fleetfold_child.commands.actions import Actions, AnyAction, action
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.executor import ExecutionLimits, Executor
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.messages import Command

IN_FLIGHT = 32


@action(kind="transactional")
async def transactional(ctx: Context) -> str:
    await ctx.tx.execute("INSERT INTO effect VALUES (?)", (ctx.key,))
    return ctx.key


@action
async def idempotent(ctx: Context) -> str:
    await ctx.db.execute("INSERT INTO effect VALUES (?)", (ctx.key,))
    return ctx.key


@action(kind="once")
async def once(ctx: Context) -> str:
    await ctx.db.execute("INSERT INTO effect VALUES (?)", (ctx.key,))
    return ctx.key


ACTIONS: list[AnyAction] = [transactional, idempotent, once]


async def work(directory: Path, commands: int) -> None:
    ledger = await Ledger.open(directory / "node.db")
    await ledger.database.execute("CREATE TABLE IF NOT EXISTS effect (id TEXT)")
    executor = Executor(Actions(ACTIONS), ledger, node="shop", limits=ExecutionLimits(concurrency=IN_FLIGHT))
    numbers = iter(range(commands))

    async def one_after_another() -> None:
        for number in numbers:
            kind = ACTIONS[number % len(ACTIONS)].info.name
            result = await executor.handle(Command(id=f"{kind}-{number}", attempt=1, action=kind))
            assert result is not None
            sys.stdout.write(f"{result.id} {result.outcome}\n")
            sys.stdout.flush()

    await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2])))
