"""Background tasks with one owner: each is referenced until it ends, and its error is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from fleetfold_shared.errors import FleetfoldError

__all__ = ["BackgroundTasks", "UncancelledTasks"]

log = structlog.get_logger(__name__)

T = TypeVar("T")

AGAIN_S = 5.0
"""Seconds after which a task that has not ended is cancelled again."""


class BackgroundTasks:
    """Tasks that belong to one owner and end with it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start `work` as a task and return it; an error it raises is logged, not propagated."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def join(self) -> None:
        """Wait for the tasks that are running now; a cancellation of the caller does not reach them."""
        if self._running:
            await asyncio.wait(self._running)

    async def drain(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` seconds for the running tasks, then cancel those that are left."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        await self.cancel()

    async def cancel(self) -> None:
        """Cancel all running tasks, except the current one, and wait until they have ended.

        Python 3.11's `wait_for` loses a cancellation that arrives together with the awaited result, so tasks that have
        not ended within `AGAIN_S` are cancelled again.
        """
        mine = asyncio.current_task()
        running = {task for task in self._running if task is not mine}
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=AGAIN_S)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, FleetfoldError):
            log.warning("task.failed", code=error.code, reason=error.message)
        else:
            log.error("task.crashed", exc_info=error)


class UncancelledTasks:
    """Coroutines that run to their end even if the caller is cancelled, so that memory never lags behind the
    database.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` and return its result, or raise its error; cancellation of the caller does not cancel it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait until all started coroutines have ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieve the error: the caller may be cancelled, and asyncio logs errors never retrieved
