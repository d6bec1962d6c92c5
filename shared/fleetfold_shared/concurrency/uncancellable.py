"""Uncancellable future: it is not cancelled with the task that awaits it.

`asyncio.shield` protects the work, but its caller is cancelled at once and does not learn the result. Here the caller
gets the result first, and the work needs no task of its own.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

__all__ = ["UncancellableFuture", "await_uncancelled"]

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


def _cancel_later() -> None:
    """Deliver the caught cancellation again at the next await; it counts once."""
    if task := asyncio.current_task():
        task.uncancel()
        task.cancel()
