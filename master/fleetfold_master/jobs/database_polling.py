"""Polling of the database for work of other masters, with a bound on the reads per second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fleetfold_shared.messages import Job, TransactionView

__all__ = ["LOOKS_PER_S", "LOOK_S", "poll_until_ended", "until_next_look"]

LOOK_S = 0.25
LOOKS_PER_S = 400
"""Reads per second of all waiting callers of this process; the more they are, the longer each pauses."""

R = TypeVar("R", Job, TransactionView)

_pausing = 0


async def poll_until_ended(read: Callable[[], Awaitable[R]], timeout_s: float) -> R:
    """Call `read` until its result has ended, or for `timeout_s`. Returns the last result."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    while True:
        record, left_s = await read(), until - loop.time()
        if record.ended_at is not None or left_s <= 0:
            return record
        await until_next_look(LOOK_S, left_s)


async def until_next_look(look_s: float, left_s: float) -> None:
    """Sleep between two reads: `look_s`, longer if many callers poll, but no longer than the `left_s` that remain."""
    global _pausing
    _pausing += 1
    try:
        await asyncio.sleep(min(max(look_s, _pausing / LOOKS_PER_S), max(0.0, left_s)))
    finally:
        _pausing -= 1
