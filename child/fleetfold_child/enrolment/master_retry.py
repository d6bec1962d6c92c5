"""Retrying of a node's requests until a master answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from fleetfold_shared.backoff import HALF, Backoff, retry
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Overloaded, RateLimited, Unavailable

__all__ = ["deliver_lost_cancellation", "wait_for_master"]

log = structlog.get_logger(__name__)

BACKOFF = Backoff(0.2, 5.0, 1.5, HALF)
AWAY = (Unavailable, DeadlineExceeded, Overloaded, RateLimited)
"""Errors that pass: no master answers, or one asks for a pause."""

T = TypeVar("T")


async def wait_for_master(attempt: Callable[[], Awaitable[T]], waiting: str, clock: Clock | None = None) -> T:
    """Return the result of `attempt`, retried without a limit while no master answers or one asks for a pause. Other
    errors are raised. The event `waiting` is logged, as a warning the first time.
    """

    def failed(error: FleetfoldError, failures: int) -> None:
        (log.warning if failures == 1 else log.debug)(waiting, reason=error.message)
        deliver_lost_cancellation()

    return await retry(attempt, BACKOFF, AWAY, failed=failed, clock=clock)


def deliver_lost_cancellation() -> None:
    """Raise a cancellation that was lost below, as nats-py does while it closes a connection; an endless retry would
    not end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
