"""Ctrl-C before there is anything to clean up: the process ends at once and silently, with exit code 130.

Imports nothing slow, because the command imports it first.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["INTERRUPTED", "leave", "leave_at_once"]

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


@contextmanager
def leave_at_once() -> Iterator[None]:
    """Within, Ctrl-C ends the process at once: for imports, and for the end of an event loop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave(number: int, _frame: object) -> None:
    """A signal handler: end the process now, with 128 and the signal's number."""
    os._exit(128 + number)
