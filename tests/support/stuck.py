"""A test that hangs says where: shortly before its time is over, what each task of the event loop waits for is noted.

pytest-timeout shows where the threads are, and a thread that runs an event loop is always in its selector.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import Generator
from typing import Any

import pytest

__all__ = ["pytest_runtest_protocol"]

BEFORE_S = 15.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Called by pytest around each test, its fixtures included."""
    limit_s = float(str(item.config.getini("timeout") or 0))
    timer = threading.Timer(limit_s - BEFORE_S, _note, [item])
    timer.daemon = True
    timer.start()
    try:
        return (yield)
    finally:
        timer.cancel()


def _note(item: pytest.Item) -> None:
    waits = [" <- ".join(_waits_in(task.get_coro())) for task in list(asyncio.tasks._all_tasks) if not task.done()]
    for when in ("call", "teardown"):
        item.add_report_section(when, "tasks", "\n".join(waits))


def _waits_in(coroutine: Any) -> list[str]:
    """Where it is, the innermost first."""
    places = list[str]()
    while coroutine is not None:
        frame = _of(coroutine, "frame")
        if frame is not None:
            places.insert(0, f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})")
        within = _of(coroutine, "await") or getattr(coroutine, "gi_yieldfrom", None)
        if within is None and frame is None:  # what steps an asynchronous generator does not say which
            within = next((each for each in gc.get_referents(coroutine) if inspect.isasyncgen(each)), None)
        coroutine = within
    return places


def _of(coroutine: Any, what: str) -> Any:
    return next((found for kind in ("cr", "gi", "ag") if (found := getattr(coroutine, f"{kind}_{what}", None))), None)
