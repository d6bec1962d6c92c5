"""Waiting with a time limit, where the end of the time is an outcome and not an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

__all__ = ["ends_within"]


async def ends_within(timeout_s: float | None, waiting: Awaitable[object]) -> bool:
    """Await `waiting` for at most `timeout_s` seconds (`None`: without limit), then cancel it. Returns whether it
    ended.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await waiting
    except TimeoutError:
        return False
    return True
