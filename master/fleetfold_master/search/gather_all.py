"""Concurrent awaiting without leftovers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

__all__ = ["gather_all"]

T = TypeVar("T")


async def gather_all(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines concurrently; if one fails, cancel the rest and wait for them before raising. Returns the
    results."""
    if len(works) == 1:
        return [await works[0]]
    tasks = list(map(asyncio.create_task, works))
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
