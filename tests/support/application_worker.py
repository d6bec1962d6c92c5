"""A process that works through commands on an application's database, and kills itself at one instant of one of them.

Usage: application_worker.py DIRECTORY URL COMMANDS [INSTANT NTH]

Prints `<id> <outcome>` for each command that has ended. Every third order is cancelled after, every fifth meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleetfold_child.app_database.application_database import ApplicationDatabase, EffectTransaction
from fleetfold_child.app_database.databases import Databases
from fleetfold_child.commands.actions import Actions, AnyAction, action
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.executor import ExecutionLimits, Executor
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.messages import Command

IN_FLIGHT = 8


class Death:
    """Comes the `nth` time that the process is at `instant`."""

    def __init__(self, instant: str, nth: int) -> None:
        self.instant, self.left = instant, nth

    def at(self, instant: str) -> None:
        if instant != self.instant:
            return
        self.left -= 1
        if self.left == 0 and instant == "while it commits":
            delay_s = random.uniform(0, 0.004)
            threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
        elif self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, owner: Any, name: str, *instants: str) -> None:
        """Be there whenever this function is called."""
        original: Callable[..., Any] = getattr(owner, name)

        def called(*args: Any, **kwargs: Any) -> Any:
            for instant in instants:
                self.at(instant)
            return original(*args, **kwargs)

        setattr(owner, name, called)


death = Death("", 0)


@action(kind="transactional", database="shop")
async def order(ctx: Context) -> dict[str, str]:
    death.at("before the effect")
    await ctx.tx.execute("INSERT INTO effect VALUES (:id, 'do')", {"id": ctx.key})
    death.at("after the effect")
    return {"order_id": ctx.key}


@action(kind="transactional", database="shop")
async def cancel(ctx: Context, order_id: str) -> None:
    await ctx.tx.execute("INSERT INTO effect VALUES (:id, 'undo')", {"id": order_id})
    death.at("after the effect")


ACTIONS: list[AnyAction] = [order, cancel]


async def work(directory: Path, url: str, commands: int) -> None:
    death.before(ApplicationDatabase, "transaction", "before the transaction begins")
    death.before(EffectTransaction, "commit", "before the marker is filled", "while it commits")
    death.before(Ledger, "finish", "between the two commits")
    ledger = await Ledger.open(directory / "node.db")
    databases = await Databases.open({"shop": url}, Actions(ACTIONS), node="shop", concurrency=IN_FLIGHT)
    executor = Executor(
        Actions(ACTIONS),
        ledger,
        node="shop",
        databases=databases,
        limits=ExecutionLimits(concurrency=IN_FLIGHT, max_lone_crashes=100),
    )
    numbers = iter(range(commands))

    async def handle(command: Command) -> None:
        result = await executor.handle(command)
        assert result is not None
        death.at("before the ack")
        sys.stdout.write(f"{result.id} {'compensated' if result.code == 'compensated' else result.outcome}\n")
        sys.stdout.flush()

    async def one_after_another() -> None:
        for number in numbers:
            forward = Command(id=f"c{number}", attempt=1, action="order", epoch=0)
            params = {"order_id": "{{order_id}}"}
            undo = Command(
                id=f"c{number}.c", attempt=1, action="cancel", epoch=0, params=params, compensates=forward.id
            )
            if number % 5 == 0:
                await asyncio.gather(handle(forward), handle(undo))
                continue
            await handle(forward)
            if number % 3 == 0:
                await handle(undo)

    await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))
    await databases.close()
    await ledger.close()


if __name__ == "__main__":
    if len(sys.argv) > 4:
        death = Death(sys.argv[4], int(sys.argv[5]))
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
