"""Retrying until a master answers, with growing, jittered pauses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.errors import DeadlineExceeded, Overloaded, RateLimited, Unavailable

__all__ = ["heed_cancellation", "patiently", "somewhat"]

log = structlog.get_logger(__name__)

FIRST_S, MOST_S = 0.2, 5.0

T = TypeVar("T")


async def patiently(attempt: Callable[[], Awaitable[T]], waiting: str, clock: Clock | None = None) -> T:
    """Return the result of `attempt`, retried without a limit while no master answers or one asks for a pause; other
    errors are raised.

    Pauses grow and are jittered; `waiting` is logged once.
    """
    pause_s, logged, clock = FIRST_S, False, clock or SystemClock()
    while True:
        try:
            return await attempt()
        except (Unavailable, DeadlineExceeded, Overloaded, RateLimited) as error:
            (log.debug if logged else log.warning)(waiting, reason=error.message)
            logged = True
            asked_s = error.retry_after_s
        heed_cancellation()
        await clock.sleep(somewhat(pause_s) if asked_s is None else asked_s + somewhat(pause_s))
        pause_s = min(pause_s * 1.5, MOST_S)


def heed_cancellation() -> None:
    """Raise a cancellation that was lost below, as nats-py does while it closes a connection; an endless retry would
    not end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def somewhat(seconds: float) -> float:
    """Return a random part of `seconds`, from half to all, so that many nodes do not come at once."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311 (jitter, not a secret)
