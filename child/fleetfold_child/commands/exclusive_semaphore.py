"""Room for so many at once, or for one alone; first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

__all__ = ["ExclusiveSemaphore", "Passage"]


class _Waiter(NamedTuple):
    alone: bool
    turn: asyncio.Future[None]


class ExclusiveSemaphore:
    """Lets `room` in together. Who enters `alone` waits for the others to leave, and keeps them out meanwhile."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._inside = 0
        self._closed = False  # somebody is in there alone
        self._waiting: deque[_Waiter] = deque()

    def enter(self, *, alone: bool = False) -> Passage:
        """Be inside for the length of the `async with`."""
        return Passage(self, alone)

    def queue(self, waiter: _Waiter) -> None:
        """Stand in line."""
        self._waiting.append(waiter)
        self._let_in()

    def leave(self, waiter: _Waiter) -> None:
        """Go out, or out of the line."""
        if not waiter.turn.cancelled():  # it was let in, even if it never got as far as to notice
            self._inside -= 1
            self._closed = self._closed and not waiter.alone
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


class Passage:
    """One passage through the gate: true for one who is inside, false for one who gave up while it stood in line."""

    def __init__(self, gate: ExclusiveSemaphore, alone: bool) -> None:
        self._gate = gate
        self._waiter = _Waiter(alone, asyncio.get_running_loop().create_future())
        self._gave_up = False

    def give_up(self) -> None:
        """Wait no longer; who is inside stays there."""
        self._gave_up = self._waiter.turn.cancel() or self._gave_up

    async def __aenter__(self) -> bool:
        self._gate.queue(self._waiter)
        try:
            await self._waiter.turn
        except BaseException:
            self._gate.leave(self._waiter)
            task = asyncio.current_task()
            if self._gave_up and not (task and task.cancelling()):
                return False
            raise
        return True

    async def __aexit__(self, *_: object) -> None:
        self._gate.leave(self._waiter)
