"""Waiting for the end of something that another master drives: the database says when it has come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fleetfold_shared.messages import Job, TransactionView

__all__ = ["LOOK_S", "look_until_ended"]

LOOK_S = 0.25

R = TypeVar("R", Job, TransactionView)


async def look_until_ended(read: Callable[[], Awaitable[R]], timeout_s: float) -> R:
    """What `read` gives, when that has ended, or after `timeout_s`."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    while True:
        record, left_s = await read(), until - loop.time()
        if record.ended_at is not None or left_s <= 0:
            return record
        await asyncio.sleep(min(LOOK_S, left_s))
