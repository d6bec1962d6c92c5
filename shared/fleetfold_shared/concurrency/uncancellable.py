"""Cancellation that is neither early nor lost: an uncancellable future, and the await of code that loses one.

`asyncio.shield` protects the work, but its caller is cancelled at once and does not learn the result. Here the caller
gets the result first, and the work needs no task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

__all__ = ["UncancellableFuture", "await_cancellable", "await_uncancelled"]

T = TypeVar("T")


class UncancellableFuture(asyncio.Future[T]):
    """Future that only its result or error ends. A task that awaits it is cancelled after that, not before."""

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002  # as its base has it
        """Refuse to be cancelled."""
        return False


async def await_uncancelled(future: UncancellableFuture[T]) -> T:
    """Wait for `future` even if the current task is cancelled; the cancellation is delivered at the task's next await.
    Returns the future's result.
    """
    try:
        return await future
    except asyncio.CancelledError:
        if not future.done():
            raise
        _cancel_later()
        return future.result()


async def await_cancellable(work: Awaitable[T]) -> T:
    """Await code of a library; raise `CancelledError` if it has lost a cancellation of the current task.

    Python 3.11's `asyncio.wait_for` returns its result, and nothing more, when that and the cancellation come in the
    same turn of the loop (https://github.com/python/cpython/issues/86296). A daemon would ignore the signal to stop.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    result = await work
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return result


def _cancel_later() -> None:
    """Deliver the caught cancellation again at the next await; it counts once."""
    if task := asyncio.current_task():
        task.uncancel()
        task.cancel()
