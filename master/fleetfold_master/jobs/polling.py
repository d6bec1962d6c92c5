"""Waiting for something that another master drives: the database says when it has come, and is not asked too often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fleetfold_shared.messages import Job, TransactionView

__all__ = ["LOOKS_PER_S", "LOOK_S", "poll_until_ended", "until_next_look"]

LOOK_S = 0.25
LOOKS_PER_S = 400
"""What all who wait in this process together read in a second: the more they are, the longer each pauses."""

R = TypeVar("R", Job, TransactionView)

_pausing = 0


async def poll_until_ended(read: Callable[[], Awaitable[R]], timeout_s: float) -> R:
    """What `read` gives, when that has ended, or after `timeout_s`."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    while True:
        record, left_s = await read(), until - loop.time()
        if record.ended_at is not None or left_s <= 0:
            return record
        await until_next_look(LOOK_S, left_s)


async def until_next_look(look_s: float, left_s: float) -> None:
    """Pause between two looks: `look_s`, or longer where many look, and not beyond the `left_s` that there are."""
    global _pausing
    _pausing += 1
    try:
        await asyncio.sleep(min(max(look_s, _pausing / LOOKS_PER_S), max(0.0, left_s)))
    finally:
        _pausing -= 1
