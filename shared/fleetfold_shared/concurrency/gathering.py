"""Concurrent awaiting that leaves no task behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

__all__ = ["cancel_all", "gather_all", "gather_until", "settle_all"]

T = TypeVar("T")


async def gather_all(tasks: Sequence[asyncio.Task[T]]) -> list[T]:
    """Await tasks together and return their results in order. If one fails, the others are cancelled, and have ended
    before its error is raised.
    """
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        await cancel_all(*tasks)
        raise


async def gather_until(works: Mapping[str, Coroutine[Any, Any, T]], timeout_s: float) -> dict[str, T]:
    """Return the results of those `works` that end within `timeout_s` seconds, by name, in order.

    An error cancels all others and is raised, except `TimeoutError`, which counts as not ended. A thread of a cancelled
    coroutine runs to its end.
    """
    if len(works) == 1:
        return await _single(*next(iter(works.items())), timeout_s)
    tasks = {name: asyncio.create_task(_result_in_time(work)) for name, work in works.items()}
    try:
        await asyncio.wait(tasks.values(), timeout=timeout_s, return_when=asyncio.FIRST_EXCEPTION)
        ended = [(name, task.result()) for name, task in tasks.items() if task.done()]
        return {name: result[0] for name, result in ended if result is not None}
    finally:
        await cancel_all(*tasks.values())


async def settle_all(works: Iterable[Awaitable[object]]) -> None:
    """Await all concurrently, and let all finish; then raise the first error in their order."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def cancel_all(*tasks: asyncio.Future[Any] | None) -> None:
    """Cancel the tasks and wait until they have ended. Their results and errors are discarded."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _single(name: str, work: Coroutine[Any, Any, T], timeout_s: float) -> dict[str, T]:
    """Run a single coroutine without a task of its own."""
    try:
        async with asyncio.timeout(timeout_s):
            return {name: await work}
    except TimeoutError:
        return {}


async def _result_in_time(work: Coroutine[Any, Any, T]) -> tuple[T] | None:
    """Return the result in a tuple, or `None` after a `TimeoutError` of the work itself."""
    try:
        return (await work,)
    except TimeoutError:
        return None
