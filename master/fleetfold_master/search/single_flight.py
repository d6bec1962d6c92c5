"""Single flight: equal questions of the same moment are asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["SingleFlight"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Flight(Generic[T]):
    """`until` is its leader's deadline by the loop's clock: what it brings may be cut short by that."""

    task: asyncio.Task[T]
    until: float


class SingleFlight(Generic[T]):
    """Work under way by key. It belongs to nobody who waits for it: a leader that is cancelled stops waiting only."""

    def __init__(self) -> None:
        self._under_way: dict[str, _Flight[T]] = {}

    async def lead(self, key: str, until: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do `work` for everybody who asks for `key` until it is done."""
        task = asyncio.get_running_loop().create_task(work())
        self._under_way[key] = flight = _Flight(task, until)
        task.add_done_callback(lambda _: self._landed(key, flight))
        return await asyncio.shield(task)

    def following(self, key: str, until: float) -> Callable[[], Awaitable[T | None]] | None:
        """How to wait for who leads `key`; `None` when nobody does, or one who has time until later than `until`.

        The waiting ends with the flight or at `until`; `None` when it brought nothing by then, or failed.
        """
        flight = self._under_way.get(key)
        if flight is None or flight.until > until:
            return None
        return lambda: _wait(flight.task, until)

    async def close(self) -> None:
        """End what is under way."""
        tasks = [flight.task for flight in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, key: str, flight: _Flight[T]) -> None:
        if self._under_way.get(key) is flight:
            del self._under_way[key]
        if not flight.task.cancelled():
            flight.task.exception()  # whoever waited has it; nobody may be left to


async def _wait(task: asyncio.Task[T], until: float) -> T | None:
    left_s = until - asyncio.get_running_loop().time()
    done, _ = await asyncio.wait([task], timeout=max(0.0, left_s))
    if not done or task.cancelled() or task.exception() is not None:
        return None
    return task.result()
