"""Actions for a node that two processes claim: each waits for a file of its own process, and says which one it is."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from fleetfold_child.commands.actions import action
from fleetfold_child.commands.context import Context

__all__ = ["ACTIONS", "NAME", "PLACE", "TIMEOUT_S"]

NAME, PLACE, TIMEOUT_S = "TWIN_NAME", "TWIN_PLACE", "TWIN_TIMEOUT_S"
"""Environment variables: what the process calls itself, where its files are, and how long `hurry` may take in it."""


@action
async def who(_ctx: Context) -> str:
    """Wait for the file `who`, and say which process this is."""
    return await _named("who")


@action(timeout=float(os.environ.get(TIMEOUT_S, "60")))
async def hurry(_ctx: Context) -> str:
    """The same with the file `hurry`, and with little time in one of the processes."""
    return await _named("hurry")


ACTIONS = [who, hurry]


async def _named(file: str) -> str:
    name = os.environ[NAME]
    awaited = Path(os.environ[PLACE]) / f"{name}.{file}"
    while not awaited.exists():  # noqa: ASYNC110 (another process makes the file)
        await asyncio.sleep(0.01)
    return name
