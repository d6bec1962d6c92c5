"""Ctrl-C before there is anything to clean up: the process ends at once and silently, with exit code 130.

The command runs this first, so it imports only what the interpreter has loaded by then: Ctrl-C while another module is
imported would print a traceback.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the core of `signal`, which imports enum and much with it
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["INTERRUPTED", "ExitAtOnce", "ExitQuietly", "leave", "stop_before_start"]

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


class ExitAtOnce:
    """Within, Ctrl-C ends the process at once: for imports, and for the end of an event loop."""

    def __enter__(self) -> None:
        self._before = _take(leave)

    def __exit__(self, *_: object) -> None:
        _give_back(self._before)


class ExitQuietly:
    """Within, Ctrl-C raises `SystemExit(130)` instead of `KeyboardInterrupt`: for imports in a program that is not ours
    and cleans up as it would after either. A program that handles Ctrl-C itself goes on doing so.
    """

    def __enter__(self) -> None:
        theirs = _signal.getsignal(_signal.SIGINT) is not _signal.default_int_handler
        self._before = None if theirs else _take(_exit)

    def __exit__(self, *_: object) -> None:
        _give_back(self._before)


def stop_before_start() -> None:
    """Until other handlers are set, SIGTERM, SIGHUP and SIGQUIT end the process at once with 0: a daemon that has not
    begun to start has nothing to stop. An ignored SIGHUP (`nohup`) stays ignored. For the main thread only.
    """
    for name in ("SIGTERM", "SIGHUP", "SIGQUIT"):
        number = getattr(_signal, name, None)  # Windows has no SIGHUP
        if number is not None and _signal.getsignal(number) == _signal.SIG_DFL:
            _signal.signal(number, _stop)


def leave(number: int, _frame: object) -> NoReturn:
    """A signal handler: end the process now, with 128 and the signal's number."""
    os._exit(128 + number)


def _stop(_number: int, _frame: object) -> NoReturn:
    os._exit(0)


def _exit(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _take(handler: object) -> object:
    """The handler of before; None outside the main thread, where none can be set."""
    try:
        return _signal.signal(_signal.SIGINT, handler)
    except ValueError:
        return None


def _give_back(before: object) -> None:
    if before is not None:
        _signal.signal(_signal.SIGINT, before)
