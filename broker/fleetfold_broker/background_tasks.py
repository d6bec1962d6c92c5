"""A set of background tasks: none is forgotten by the garbage collector, none dies without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from fleetfold_shared.errors import FleetfoldError

__all__ = ["BackgroundTasks", "Undisturbed"]

log = structlog.get_logger(__name__)

T = TypeVar("T")

AGAIN_S = 5.0
"""How long a task may take to end before it is told again."""


class BackgroundTasks:
    """Tasks that belong to one owner and end with it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` beside; an error it ends with is logged."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def drain(self, timeout_s: float) -> None:
        """Wait for what runs, `timeout_s` at most, then cancel the rest."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        await self.cancel()

    async def cancel(self) -> None:
        """End what runs and wait until it has ended.

        Python 3.11's `wait_for` lets a cancellation go when what it waits for comes just then, so it is told again.
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
            log.error("task.broke", exc_info=error)


class Undisturbed:
    """Work that is finished even when whoever asked for it is cancelled: memory must not fall behind the database."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns or raises; a cancellation of the caller does not reach it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for what is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone: do not let the loop complain of an error nobody fetched
