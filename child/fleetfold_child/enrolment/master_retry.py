"""Waiting for a master: whoever is away may come back, and nobody is pressed meanwhile."""

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
    """What `attempt` gives, however long nobody is there to answer, or asks for a pause; other errors are the caller's.

    Tries again with growing, jittered pauses, and logs `waiting` once.
    """
    pause_s, told, clock = FIRST_S, False, clock or SystemClock()
    while True:
        try:
            return await attempt()
        except (Unavailable, DeadlineExceeded, Overloaded, RateLimited) as error:
            (log.debug if told else log.warning)(waiting, reason=error.message)
            told = True
            asked_s = error.retry_after_s
        heed_cancellation()
        await clock.sleep(somewhat(pause_s) if asked_s is None else asked_s + somewhat(pause_s))
        pause_s = min(pause_s * 1.5, MOST_S)


def heed_cancellation() -> None:
    """Raise a cancellation that was let go below: nats-py does so while it closes a connection. Whoever tries for ever
    would never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def somewhat(seconds: float) -> float:
    """Half of `seconds` to all of it, so that many do not come at once."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311 (jitter, not a secret)
