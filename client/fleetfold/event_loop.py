"""The event loop of a command or program, and its orderly end at Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fleetfold.interrupts import INTERRUPTED, ExitAtOnce, leave

__all__ = ["SIGNALLED", "Interrupted", "Told", "run_loop", "until_signalled"]

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNALLED = "a signal has come"
"""The message of a cancellation by a signal: others are not an orderly stop."""


class Interrupted(Exception):
    """Ctrl-C: the work has cleaned up, and the process must end with `INTERRUPTED`."""


class Told:
    """The signal that ended a daemon; `exit_code` is its process's."""

    def __init__(self) -> None:
        self.number: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C; 0 after a request to stop."""
        return INTERRUPTED if self.number == signal.SIGINT else 0


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on a new event loop and return its result. Raises `Interrupted` after Ctrl-C."""
    with ExitAtOnce(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_interruptible(work))


@contextmanager
def until_signalled() -> Iterator[Told]:
    """Cancel the body at the first SIGINT or SIGTERM, and continue after it. A second signal ends the process."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    told, before = Told(), {number: signal.getsignal(number) for number in SIGNALS}

    def stop(number: signal.Signals) -> None:
        told.number = number
        for each in SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, leave)
        task.cancel(SIGNALLED)

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield told
    except asyncio.CancelledError:
        if told.number is None:
            raise
        task.uncancel()
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    """`work`, cancelled by Ctrl-C."""
    loop, task, count = asyncio.get_running_loop(), asyncio.current_task(), 0
    assert task is not None

    def interrupt(number: int, frame: object) -> None:
        nonlocal count
        count += 1
        if count > 1:
            leave(number, frame)
        loop.call_soon_threadsafe(task.cancel, SIGNALLED)

    in_main = threading.current_thread() is threading.main_thread()
    if in_main:
        signal.signal(signal.SIGINT, interrupt)
    try:
        return await work
    except (Exception, asyncio.CancelledError):  # what was cut short may fail in other ways too
        if not count:
            raise
        raise Interrupted from None
    finally:
        if in_main:
            signal.signal(signal.SIGINT, leave)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return uvloop.new_event_loop
