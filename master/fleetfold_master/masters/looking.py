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
    while (record := await read()).ended_at is None and (left_s := until - loop.time()) > 0:
        await asyncio.sleep(min(LOOK_S, left_s))
    return record
