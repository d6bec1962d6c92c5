"""Single flight: equal concurrent queries are computed once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from fleetfold_shared.concurrency.gathering import cancel_all

__all__ = ["SingleFlight"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Flight(Generic[T]):
    """A computation in progress. `until` is its leader's deadline by the loop's clock, which may cut its result
    short."""

    task: asyncio.Task[T]
    until: float


class SingleFlight(Generic[T]):
    """Computations in progress by key. They belong to no caller: cancelling the leader does not cancel the
    computation."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}

    def lead(self, key: str, until: float, task: asyncio.Task[T]) -> asyncio.Future[T]:
        """Make `task` the computation for all callers that request `key` until it is done. Returns its result as a
        future that may be cancelled without cancelling the task.
        """
        self._flights[key] = flight = _Flight(task, until)
        task.add_done_callback(lambda _: self._ended(key, flight))
        return asyncio.shield(task)

    def following(self, key: str, until: float) -> Callable[[], Awaitable[T | None]] | None:
        """A wait for the flight of `key`; None if there is none, or if its deadline is later than `until`.

        The wait ends with the flight or at `until`. It returns None if there is no result by then, or the flight
        failed.
        """
        flight = self._flights.get(key)
        if flight is None or flight.until > until:
            return None
        return lambda: _wait(flight.task, until)

    async def close(self) -> None:
        """Cancel everything in progress."""
        await cancel_all(*(flight.task for flight in self._flights.values()))

    def _ended(self, key: str, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.task.cancelled():
            flight.task.exception()  # callers that waited have it; there may be none


async def _wait(task: asyncio.Task[T], until: float) -> T | None:
    left_s = until - asyncio.get_running_loop().time()
    done, _ = await asyncio.wait([task], timeout=max(0.0, left_s))
    if not done or task.cancelled() or task.exception() is not None:
        return None
    return task.result()
