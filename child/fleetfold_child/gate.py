"""Room for so many at once, or for one alone; first come, first served."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

__all__ = ["Gate"]


class _Waiter(NamedTuple):
    alone: bool
    turn: asyncio.Future[None]


class Gate:
    """Lets `room` in together. Who enters `alone` waits for the others to leave, and keeps them out meanwhile."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._inside = 0
        self._closed = False  # somebody is in there alone
        self._waiting: deque[_Waiter] = deque()

    @contextlib.asynccontextmanager
    async def enter(self, *, alone: bool = False) -> AsyncIterator[None]:
        """Be inside for the length of the `async with`."""
        waiter = _Waiter(alone, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._let_in()
        try:
            await waiter.turn
            yield
        finally:
            if not waiter.turn.cancelled():  # it was let in, even if it never got as far as to notice
                self._inside -= 1
                self._closed = self._closed and not alone
            self._let_in()

    def _let_in(self) -> None:
        """In order of arrival: one who wants to be alone is not overtaken, or he would wait for ever."""
        while self._waiting:
            alone, turn = self._waiting[0]
            if turn.cancelled():
                self._waiting.popleft()
                continue
            if self._closed or self._inside >= (1 if alone else self._room):
                return
            self._waiting.popleft()
            self._inside += 1
            self._closed = alone
            turn.set_result(None)
