"""Admission control: limits on concurrent requests, in total and per identity.

A request holds a place while it works. A request that only waits (for the end of a job, for news, for a model) calls
`begin_waiting`: it gives its place up and counts as a waiter instead, of which many more are allowed. Without a free
place a request is refused at once with `Overloaded`, which says when to retry; nothing is queued.

Each identity has `OWN` places of its own, so that other identities cannot shut it out.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from contextvars import ContextVar
from typing import Protocol

from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import Overloaded

__all__ = ["OWN", "AdmissionControl", "AdmissionSlot", "QueuedSlots", "SlotQuota", "begin_waiting", "hold", "may_wait"]

OWN = 4
"""Places that each identity has beyond the total, unless its name is not verified."""
RETRY_AFTER_S = 1.0
MOST_WAITING_BYTES = 32 * 1024**2
"""Most bytes that the waiting requests of one identity may hold in memory; those of all may hold eight times as much.
"""


class AdmissionSlot(Protocol):
    """The slot that one request holds."""

    def begin_waiting(self) -> None:
        """Give the place up and count as a waiter. Raises `Overloaded` when there are too many waiters."""

    def leave(self) -> None:
        """Release the place at the end of the request."""


_held: ContextVar[AdmissionSlot | None] = ContextVar("fleetfold_place", default=None)


def hold(place: AdmissionSlot) -> None:
    """Set the place of the request that the current task serves."""
    _held.set(place)


def begin_waiting() -> None:
    """Turn the current task's request into a waiter, or raise `Overloaded`; does nothing outside of a request."""
    if (place := _held.get()) is not None:
        place.begin_waiting()


def may_wait() -> bool:
    """Call `begin_waiting` for a request that need not wait; returns False instead of raising."""
    try:
        begin_waiting()
    except Overloaded:
        return False
    return True


class AdmissionControl:
    """The slots of one service, for working and for waiting requests. Not thread-safe."""

    def __init__(self, limits: LimitsConfig | None = None, *, own: int = OWN) -> None:
        limits = limits or LimitsConfig()
        self.working = SlotQuota("under way", limits.requests, limits.requests_per_identity, own)
        self.waiting = SlotQuota("waiting", limits.waiting, limits.waiting_per_identity, own, MOST_WAITING_BYTES)

    def enter(self, identity: str, size: int = 0) -> AdmissionSlot:
        """Return a slot for a request of `size` bytes. Raises `Overloaded` when the identity, or all together, hold
        too many.
        """
        self.working.take(identity, size)
        return _HeldSlot(self, identity, size)


class SlotQuota:
    """Limits of one kind of slot, working or waiting, and how many slots and bytes each identity holds."""

    def __init__(self, what: str, most: int, most_each: int, own: int, most_bytes: float = math.inf) -> None:
        self._what, self._most, self._most_each, self._own, self._most_bytes = what, most, most_each, own, most_bytes
        self._bytes: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.total = self.total_bytes = 0

    def take(self, identity: str, size: int) -> None:
        """Take a slot for `identity`. Raises `Overloaded` when a limit is reached."""
        mine = self.held[identity]
        if mine >= self._most_each or (mine and self._bytes[identity] + size > self._most_bytes):
            raise self._full(f"{identity!r} has {mine:,} requests {self._what}, the most of one identity")
        if mine >= self._own and (self.total >= self._most or self.total_bytes + size > 8 * self._most_bytes):
            raise self._full(f"{self.total:,} requests are {self._what}, the most at once")
        self._count(identity, 1, size)

    def give_back(self, identity: str, size: int) -> None:
        """Give back one slot of `identity`, with its bytes."""
        self._count(identity, -1, -size)
        if not self.held[identity]:
            del self.held[identity], self._bytes[identity]

    def _count(self, identity: str, number: int, size: int) -> None:
        self.held[identity] += number
        self._bytes[identity] += size
        self.total += number
        self.total_bytes += size

    def _full(self, why: str) -> Overloaded:
        return Overloaded(f"{why}; try again in {RETRY_AFTER_S:g} s", retry_after_s=RETRY_AFTER_S)


class _HeldSlot:
    """One request's slot, working or waiting."""

    def __init__(self, places: AdmissionControl, identity: str, size: int) -> None:
        self._identity, self._size, self._waiting = identity, size, places.waiting
        self._quota: SlotQuota | None = places.working

    def begin_waiting(self) -> None:
        if self._quota is not None and self._quota is not self._waiting:
            self._waiting.take(self._identity, self._size)
            self.leave()
            self._quota = self._waiting

    def leave(self) -> None:
        quota, self._quota = self._quota, None
        if quota is not None:
            quota.give_back(self._identity, self._size)


class QueuedSlots:
    """Slots for requests of masters, which are trusted: they queue for a slot, without a limit on waiting."""

    def __init__(self, most: int) -> None:
        self._semaphore = asyncio.Semaphore(most)

    async def enter(self) -> AdmissionSlot:
        """Wait for a slot and return it."""
        await self._semaphore.acquire()
        return _QueuedSlot(self._semaphore)


class _QueuedSlot:
    """A slot taken from `QueuedSlots`."""

    def __init__(self, semaphore: asyncio.Semaphore) -> None:
        self._semaphore: asyncio.Semaphore | None = semaphore

    def begin_waiting(self) -> None:
        self.leave()

    def leave(self) -> None:
        semaphore, self._semaphore = self._semaphore, None
        if semaphore is not None:
            semaphore.release()
