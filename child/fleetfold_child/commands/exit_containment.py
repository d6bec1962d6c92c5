"""Containment of exits: SystemExit, KeyboardInterrupt and GeneratorExit of a handler end its command, not the process.

asyncio stops its event loop for SystemExit and KeyboardInterrupt, and the whole node with it, also when a task that a
handler created raises them.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any

from fleetfold_shared.exception_text import named_text

__all__ = ["ContainedTasks", "TaskExit", "is_from_outside"]

_inside: ContextVar[bool] = ContextVar("fleetfold_inside_a_handler", default=False)


class TaskExit(Exception):
    """A task that a handler created raised SystemExit or KeyboardInterrupt."""


class ContainedTasks:
    """Block in which tasks that are created raise `TaskExit` where they would stop the event loop."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop.get_task_factory(), _ContainingFactory):
            loop.set_task_factory(_ContainingFactory(loop.get_task_factory()))
        self._token = _inside.set(True)

    def __exit__(self, *_: object) -> None:
        _inside.reset(self._token)


def is_from_outside(error: BaseException, task: asyncio.Task[Any] | None) -> bool:
    """Tell whether `error` comes from outside of the handler in `task`, and not from the application."""
    if isinstance(error, asyncio.CancelledError):
        return task is None or task.cancelling() > 0
    if isinstance(error, GeneratorExit):  # the coroutine is closed: nobody runs it any more
        return task is None or _current_task() is not task
    if isinstance(error, KeyboardInterrupt):  # with Python's own handler, Ctrl-C raises it wherever the program is
        return signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return False


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


class _ContainingFactory:
    """Task factory that wraps coroutines of handlers, in front of the loop's `previous` one."""

    def __init__(self, previous: Any) -> None:
        self._previous = previous

    def __call__(self, loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> Any:
        if _inside.get() and inspect.iscoroutine(coro):
            coro = _contained(coro)
        return asyncio.Task(coro, loop=loop, **more) if self._previous is None else self._previous(loop, coro, **more)


async def _contained(coro: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coro
    except (SystemExit, KeyboardInterrupt) as error:
        if is_from_outside(error, asyncio.current_task()):
            raise
        raise TaskExit(f"a task of it raised {named_text(error)}") from error
