"""The resource scope of a master: opened resources are closed in reverse order, and background tasks end with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

from fleetfold_master.runtime.periodic_loop import PeriodicTask, every
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import BackgroundTasks

__all__ = ["GRACE_S", "Lifetime"]

GRACE_S = 5.0
"""How long, in seconds, requests in progress may take to finish."""

T = TypeVar("T")


class Lifetime:
    """A resource scope. The owner calls `end`, also after a start that failed half-way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open, self._tasks = AsyncExitStack(), BackgroundTasks()
        self._grace_s = GRACE_S

    async def enter(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Enter a context manager; it is left when the lifetime ends. Returns what it yields."""
        return await self._open.enter_async_context(resource)

    def on_close(self, close: PeriodicTask) -> None:
        """Register a callback; callbacks run in reverse order of registration when the lifetime ends."""
        self._open.push_async_callback(_do, close)

    def on_close_within_grace(self, stop: Callable[[float], Awaitable[None]]) -> None:
        """Like `on_close`; the callback is given the grace period in seconds."""

        async def stop_now() -> None:
            await stop(self._grace_s)

        self._open.push_async_callback(stop_now)

    def on_close_stop_tasks(self) -> None:
        """Register the cancellation of all background tasks, in the same order as the callbacks of `on_close`."""
        self._open.push_async_callback(self._tasks.cancel)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine as a background task; it is cancelled at the end at the latest."""
        self._tasks.spawn(work)

    def repeat(self, pause_s: float, *tasks: PeriodicTask) -> None:
        """Run `tasks` every `pause_s` seconds, one after another, in one background task: see `every`."""
        self._tasks.spawn(every(self._clock, pause_s, *tasks))

    async def end(self, grace_s: float = GRACE_S) -> None:
        """Close everything that was opened. `grace_s` is passed to the callbacks of `on_close_within_grace`."""
        self._grace_s = grace_s
        try:
            await self._open.aclose()
        finally:
            await self._tasks.cancel()


async def _do(work: PeriodicTask) -> None:
    if (waiting := work()) is not None:
        await waiting
