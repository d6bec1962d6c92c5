"""An action that ends its process, or tries to."""

from __future__ import annotations

import asyncio
import sys

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context

__all__ = ["ACTIONS"]


@action(timeout=600)
async def end(ctx: Context, how: str) -> None:
    match how:
        case "sys.exit":
            sys.exit(2)
        case "exit in a callback":
            asyncio.get_running_loop().call_soon(sys.exit, 0)
            await asyncio.Event().wait()


ACTIONS = [end]
