"""Setting of futures that may already be over: set, timed out, or cancelled with the task that awaited them."""

from __future__ import annotations

import asyncio
from typing import TypeVar

__all__ = ["fail_if_open", "resolve_if_open"]

T = TypeVar("T")


def resolve_if_open(future: asyncio.Future[T], result: T) -> None:
    """Set the result, unless the future is over."""
    if not future.done():
        future.set_result(result)


def fail_if_open(future: asyncio.Future[T], error: Exception) -> None:
    """Set the error, unless the future is over."""
    if not future.done():
        future.set_exception(error)
