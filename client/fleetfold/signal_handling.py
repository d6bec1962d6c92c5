"""The event loop of a command or program, and its orderly end at Ctrl-C, SIGTERM, SIGHUP or SIGQUIT."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import structlog

from fleetfold.early_exit import INTERRUPTED, ExitAtOnce, leave
from fleetfold_shared.exception_text import named_text

__all__ = ["SIGNALLED", "Interrupted", "StopSignal", "run_loop", "until_signalled"]

log = structlog.get_logger(__name__)

T = TypeVar("T")

NAMES = ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP")
"""Signals that ask to stop. A closed terminal sends SIGHUP; `nohup` has it ignored, and it stays so. Windows lacks two.
"""
COPIES_S = 0.5
"""Seconds in which further signals are copies of the first: `timeout` and other wrappers send theirs to the process and
to its group, and a terminal sends Ctrl-C to both.
"""
SIGNALLED = "a signal has come"
"""The message of a cancellation by a signal: others are not an orderly stop."""


class Interrupted(Exception):
    """Ctrl-C: the work has cleaned up, and the process must end with `INTERRUPTED`."""


class StopSignal:
    """The signal that ended a daemon; `exit_code` is its process's."""

    def __init__(self) -> None:
        self.number: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C; 0 after any other request to stop."""
        return INTERRUPTED if self.number == signal.SIGINT else 0


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on a new event loop and return its result. Raises `Interrupted` after Ctrl-C."""
    with ExitAtOnce(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_interruptible(work))


@contextmanager
def until_signalled() -> Iterator[StopSignal]:
    """Cancel the body at the first signal that asks to stop, and continue after it. A second one ends the process,
    unless it comes within `COPIES_S`.

    An error of the body after the signal is logged: what is cut short may fail in other ways than by its cancellation.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    taken = _stop_signals()
    received, before = StopSignal(), {number: signal.getsignal(number) for number in taken}

    def stop(number: signal.Signals) -> None:
        received.number = number
        again = _leave_later()
        for each in taken:
            loop.remove_signal_handler(each)
            signal.signal(each, again)
        task.cancel(SIGNALLED)

    for number in taken:
        loop.add_signal_handler(number, stop, number)
    try:
        yield received
    except (Exception, asyncio.CancelledError) as error:
        if received.number is None:
            raise
        task.uncancel()
        if isinstance(error, Exception):
            log.warning("daemon.stopped_with_an_error", signal=received.number.name, reason=named_text(error))
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])


def _stop_signals() -> list[signal.Signals]:
    known = [signal.Signals[name] for name in NAMES if name in signal.Signals.__members__]
    return [one for one in known if one.name != "SIGHUP" or signal.getsignal(one) != signal.SIG_IGN]


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    """`work`, cancelled by Ctrl-C."""
    loop, task, interrupted = asyncio.get_running_loop(), asyncio.current_task(), False
    assert task is not None

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, _leave_later())
        loop.call_soon_threadsafe(task.cancel, SIGNALLED)

    in_main = threading.current_thread() is threading.main_thread()
    if in_main:
        signal.signal(signal.SIGINT, interrupt)
    try:
        return await work
    except (Exception, asyncio.CancelledError):  # what was cut short may fail in other ways too
        if not interrupted:
            raise
        raise Interrupted from None
    finally:
        if in_main:
            signal.signal(signal.SIGINT, leave)


def _leave_later() -> Callable[[int, object], None]:
    """Return the handler of signals that follow the one that is handled now."""
    since = monotonic()

    def leave_later(number: int, frame: object) -> None:
        if monotonic() - since > COPIES_S:
            leave(number, frame)

    return leave_later


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return uvloop.new_event_loop
