"""Limits of time that end at once: the event loop's time moves on, and nobody waits for it."""

from __future__ import annotations

import asyncio
from typing import NoReturn

__all__ = ["advance_loop", "outlast"]


def advance_loop(seconds: float) -> None:
    """Move the running loop's time on by `seconds`: timers that are due by then run in its next turn."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]


async def outlast(seconds: float = 3600.0) -> NoReturn:
    """Hang for ever, and have `seconds` pass: a handler that takes longer than it may, on a machine of any speed."""
    advance_loop(seconds)
    await asyncio.Event().wait()
    raise AssertionError
