"""Gathering until a deadline: coroutines that are done by then count, the others are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

__all__ = ["finished", "search_s"]

T = TypeVar("T")

KEPT_BACK, MOST_KEPT_S = 0.1, 0.05


def search_s(left_s: float) -> float:
    """Return the seconds of `left_s` that a search may take: a tenth, at most 50 ms, is reserved for the reply."""
    return left_s - min(KEPT_BACK * left_s, MOST_KEPT_S)


async def finished(works: Mapping[str, Coroutine[Any, Any, T]], timeout_s: float) -> dict[str, T]:
    """Return the results of those `works` that end within `timeout_s`, by name, in order.

    An error cancels all others and is raised, except `TimeoutError`, which counts as not done. A thread of a cancelled
    coroutine runs to its end.
    """
    if len(works) == 1:
        return await _alone(*next(iter(works.items())), timeout_s)
    tasks = {name: asyncio.create_task(_done(work)) for name, work in works.items()}
    try:
        await asyncio.wait(tasks.values(), timeout=timeout_s, return_when=asyncio.FIRST_EXCEPTION)
        ended = [(name, task.result()) for name, task in tasks.items() if task.done()]
        return {name: result[0] for name, result in ended if result is not None}
    finally:
        await _end(tasks.values())


async def _done(work: Coroutine[Any, Any, T]) -> tuple[T] | None:
    try:
        return (await work,)
    except TimeoutError:
        return None


async def _alone(name: str, work: Coroutine[Any, Any, T], timeout_s: float) -> dict[str, T]:
    """Run a single coroutine, without a task of its own."""
    try:
        async with asyncio.timeout(timeout_s):
            return {name: await work}
    except TimeoutError:
        return {}


async def _end(tasks: Any) -> None:
    """Cancel the tasks, wait for their end and retrieve their errors."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
