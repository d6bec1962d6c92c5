"""A child as a program of its own: it stays until it is told to go, and says on stderr what went wrong."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import uvloop

from fleetfold.process import calm_collector
from fleetfold_shared.errors import Conflict, FleetfoldError

if TYPE_CHECKING:
    from fleetfold.child import Child

__all__ = ["run_alone"]


def run_alone(child: Child) -> None:
    """Run it until SIGINT or SIGTERM, or until another process takes the name.

    What goes wrong ends the process with one line on stderr and the error's exit code.
    """
    try:
        uvloop.run(_stay(child))
    except FleetfoldError as error:
        print(f"fleetfold: {error.message}", file=sys.stderr)
        sys.exit(error.exit_code)


async def _stay(child: Child) -> None:
    await child.start()
    calm_collector()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    signalled, replaced = asyncio.create_task(told.wait()), asyncio.create_task(child.wait())
    await asyncio.wait([signalled, replaced], return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    replaced.cancel()
    await child.stop()
    if not told.is_set():
        raise Conflict(f"{child.name}: {replaced.result()}", field="name")
