"""A future that is not cancelled with the task that waits for it.

`asyncio.shield` does as much for the work, but not for its owner: he is cancelled at once, and does not learn what has
become of it. Here he learns it first, with no task of its own for the work.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

__all__ = ["UncancellableFuture", "await_uncancelled"]

T = TypeVar("T")


class UncancellableFuture(asyncio.Future[T]):
    """It ends only with what comes of the work. Who waits for it is cancelled then, and not before."""

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002  # as its base has it
        """It cannot be."""
        return False


async def await_uncancelled(future: UncancellableFuture[T]) -> T:
    """What has come of it. A cancellation of the caller meanwhile reaches him at what he waits for next."""
    try:
        return await future
    except asyncio.CancelledError:
        if not future.done():
            raise
        _cancel_later()
        return future.result()


def _cancel_later() -> None:
    """What has just been caught comes again, and counts once."""
    if task := asyncio.current_task():
        task.uncancel()
        task.cancel()
