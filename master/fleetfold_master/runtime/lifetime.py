"""The span of a life: what is opened in it is closed at its end, and what is done again and again ends with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

from fleetfold_broker.background_tasks import BackgroundTasks
from fleetfold_master.runtime.periodic_tasks import Chore, every
from fleetfold_shared.clock import Clock

__all__ = ["GRACE_S", "Lifetime"]

GRACE_S = 5.0
"""What is being served has so long to end."""

T = TypeVar("T")


class Lifetime:
    """What was opened last is closed first. The owner calls `end`, also of a life that has not quite begun."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open, self._tasks = AsyncExitStack(), BackgroundTasks()
        self._grace_s = GRACE_S

    async def enter(self, room: AbstractAsyncContextManager[T]) -> T:
        """What is open until the end."""
        return await self._open.enter_async_context(room)

    def at_end(self, close: Chore) -> None:
        """Do this when it comes to what was opened by now."""
        self._open.push_async_callback(_do, close)

    def at_end_gracefully(self, stop: Callable[[float], Awaitable[None]]) -> None:
        """The same, with as much time, in seconds, as there is when it comes to that."""

        async def stop_now() -> None:
            await stop(self._grace_s)

        self._open.push_async_callback(stop_now)

    def at_end_stand_still(self) -> None:
        """What is done beside has ended when it comes to what was opened by now."""
        self._open.push_async_callback(self._tasks.cancel)

    def beside(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do this beside."""
        self._tasks.spawn(work)

    def again(self, pause_s: float, *chores: Chore) -> None:
        """Do `chores` again and again, in one task: see `every`."""
        self._tasks.spawn(every(self._clock, pause_s, *chores))

    async def end(self, grace_s: float = GRACE_S) -> None:
        """Close all that was opened."""
        self._grace_s = grace_s
        try:
            await self._open.aclose()
        finally:
            await self._tasks.cancel()


async def _do(work: Chore) -> None:
    if (waiting := work()) is not None:
        await waiting
