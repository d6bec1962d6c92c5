"""A process with one command that ends the process, as `fleetfold child` would run it: prints the outcome, if there is
one, as `<outcome> <starts> <error>`.

Usage: deadly_worker.py DIRECTORY HOW
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from pathlib import Path

from fleetfold.logging import configure
from fleetfold.signal_handling import SIGNALLED
from fleetfold_child.commands.actions import Actions, action
from fleetfold_child.commands.context import Context
from fleetfold_child.commands.executor import Executor
from fleetfold_child.ledger.ledger import Ledger
from fleetfold_shared.messages import Command

HOW = sys.argv[2]
configure("error")


@action
async def deadly(ctx: Context) -> None:
    match HOW:
        case "os._exit(0)" | "os._exit(1)":
            os._exit(int(HOW[9]))
        case "abort":
            os.abort()
        case "segfault":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sys.exit":
            sys.exit(0)
        case "exit in a callback":
            asyncio.get_running_loop().call_soon(sys.exit, 0)
            await asyncio.Event().wait()
        case "stop":
            STOPPED.set()
            await asyncio.Event().wait()


async def work(directory: Path) -> None:
    """As a daemon does: what has stopped the loop without a signal was no orderly stop."""
    ledger = await Ledger.open(directory / "node.db")
    node = Executor(Actions([deadly]), ledger, node="shop")
    orderly = True
    try:
        handled = asyncio.create_task(node.handle(Command(id="a", attempt=1, action="deadly")))
        stopped = asyncio.create_task(STOPPED.wait())
        await asyncio.wait([handled, stopped], return_when=asyncio.FIRST_COMPLETED)
        if handled.done():
            result = handled.result()
            assert result is not None
            sys.stdout.write(f"{result.outcome} {result.starts} {result.error or ''}\n")
        else:
            handled.cancel()
            await asyncio.wait([handled])
    except asyncio.CancelledError as cancelled:
        orderly = SIGNALLED in cancelled.args
        raise
    finally:
        await ledger.close(orderly=orderly)


if __name__ == "__main__":
    STOPPED = asyncio.Event()
    asyncio.run(work(Path(sys.argv[1])))
