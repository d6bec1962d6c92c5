"""Semaphore that can also be held exclusively; first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

__all__ = ["ExclusiveSemaphore", "Permit"]


class _Waiter(NamedTuple):
    alone: bool
    turn: asyncio.Future[None]


class ExclusiveSemaphore:
    """Semaphore for `room` holders. An `alone` holder waits until the others have left, and excludes them meanwhile."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._holders = 0
        self._exclusive = False  # held exclusively
        self._waiting: deque[_Waiter] = deque()

    def enter(self, *, alone: bool = False) -> Permit:
        """Hold the semaphore for the length of the `async with`."""
        return Permit(self, alone)

    def queue(self, waiter: _Waiter) -> None:
        """Add a waiter to the queue."""
        self._waiting.append(waiter)
        self._admit()

    def leave(self, waiter: _Waiter) -> None:
        """Release the semaphore, or leave the queue."""
        if not waiter.turn.cancelled():  # it was admitted, even if its task was cancelled before it ran
            self._holders -= 1
            self._exclusive = self._exclusive and not waiter.alone
        self._admit()

    def _admit(self) -> None:
        """Admit waiters in order of arrival. An exclusive one is not overtaken, or it would wait for ever."""
        while self._waiting:
            alone, turn = self._waiting[0]
            if turn.cancelled():
                self._waiting.popleft()
                continue
            if self._exclusive or self._holders >= (1 if alone else self._room):
                return
            self._waiting.popleft()
            self._holders += 1
            self._exclusive = alone
            turn.set_result(None)


class Permit:
    """One use of the semaphore; entering returns False when it gave up in the queue."""

    def __init__(self, semaphore: ExclusiveSemaphore, alone: bool) -> None:
        self._semaphore = semaphore
        self._waiter = _Waiter(alone, asyncio.get_running_loop().create_future())
        self._gave_up = False

    def give_up(self) -> None:
        """Stop waiting; does nothing when the semaphore is held already."""
        self._gave_up = self._waiter.turn.cancel() or self._gave_up

    async def __aenter__(self) -> bool:
        self._semaphore.queue(self._waiter)
        try:
            await self._waiter.turn
        except BaseException:
            self._semaphore.leave(self._waiter)
            task = asyncio.current_task()
            if self._gave_up and not (task and task.cancelling()):
                return False
            raise
        return True

    async def __aexit__(self, *_: object) -> None:
        self._semaphore.leave(self._waiter)
