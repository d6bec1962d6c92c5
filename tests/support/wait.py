"""Waiting for something to become true, without sleeping for a guessed time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["eventually"]


async def eventually(predicate: Callable[[], bool | Awaitable[bool]], timeout_s: float = 60.0) -> None:
    """Return as soon as `predicate` holds; `TimeoutError` naming it when it does not within `timeout_s`."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        holds = predicate()
        if holds if isinstance(holds, bool) else await holds:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"{predicate} did not come true within {timeout_s:g} s")
        await asyncio.sleep(0.005)
