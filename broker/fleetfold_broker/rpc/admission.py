"""Places: how many requests are served at once, and how many of them may be one identity's.

A request holds a place while it works. One that only waits (for the end of a job, for news, for a model) says so with
`begin_waiting`: it gives its place up, and counts as a waiter instead, of which there may be many more. When there is
no place, a request is refused at once with `Overloaded`, which says when to try again; nothing is queued.

Each identity has `OWN` places that nobody else can take, so no number of others shuts it out.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from contextvars import ContextVar
from typing import Protocol

from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import Overloaded

__all__ = ["OWN", "AdmissionControl", "Place", "Share", "Turns", "begin_waiting", "hold", "may_wait"]

OWN = 4
"""Places that an identity has beyond the total, unless it could be anybody."""
RETRY_AFTER_S = 1.0
MOST_WAITING_BYTES = 32 * 1024**2
"""What the waiting requests of one identity may hold in memory; those of all, eight times as much."""


class Place(Protocol):
    """What one request holds."""

    def begin_waiting(self) -> None:
        """Give the place up: the request only waits from now on. `Overloaded` when too many do."""

    def leave(self) -> None:
        """The request has ended."""


_held: ContextVar[Place | None] = ContextVar("fleetfold_place", default=None)


def hold(place: Place) -> None:
    """Make `place` that of the request which the current task serves."""
    _held.set(place)


def begin_waiting() -> None:
    """The request that is being served here only waits from now on, or `Overloaded`; outside of one, nothing."""
    if (place := _held.get()) is not None:
        place.begin_waiting()


def may_wait() -> bool:
    """`begin_waiting`, for a request that has done its work and need not wait: false where it may not."""
    try:
        begin_waiting()
    except Overloaded:
        return False
    return True


class AdmissionControl:
    """The places of one service, working and waiting. Not for several threads."""

    def __init__(self, limits: LimitsConfig | None = None, *, own: int = OWN) -> None:
        limits = limits or LimitsConfig()
        self.working = Share("under way", limits.requests, limits.requests_per_identity, own)
        self.waiting = Share("waiting", limits.waiting, limits.waiting_per_identity, own, MOST_WAITING_BYTES)

    def enter(self, identity: str, size: int = 0) -> Place:
        """A place for a request of `size` bytes; `Overloaded` when the identity, or all together, have too many."""
        self.working.take(identity, size)
        return _Held(self, identity, size)


class Share:
    """One kind of places: how many there are, and how many each identity holds, with the bytes of its requests."""

    def __init__(self, what: str, most: int, most_each: int, own: int, most_bytes: float = math.inf) -> None:
        self._what, self._most, self._most_each, self._own, self._most_bytes = what, most, most_each, own, most_bytes
        self._bytes: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.total = self.total_bytes = 0

    def take(self, identity: str, size: int) -> None:
        """One more of `identity`; `Overloaded` when it is too many."""
        mine = self.held[identity]
        if mine >= self._most_each or (mine and self._bytes[identity] + size > self._most_bytes):
            raise self._full(f"{identity!r} has {mine:,} requests {self._what}, the most of one identity")
        if mine >= self._own and (self.total >= self._most or self.total_bytes + size > 8 * self._most_bytes):
            raise self._full(f"{self.total:,} requests are {self._what}, the most at once")
        self._count(identity, 1, size)

    def give_back(self, identity: str, size: int) -> None:
        """One less."""
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


class _Held:
    """One request's place among those of its identity."""

    def __init__(self, places: AdmissionControl, identity: str, size: int) -> None:
        self._identity, self._size, self._waiting = identity, size, places.waiting
        self._share: Share | None = places.working

    def begin_waiting(self) -> None:
        if self._share is not None and self._share is not self._waiting:
            self._waiting.take(self._identity, self._size)
            self.leave()
            self._share = self._waiting

    def leave(self) -> None:
        share, self._share = self._share, None
        if share is not None:
            share.give_back(self._identity, self._size)


class Turns:
    """Places for requests of masters, which are trusted: they wait for their turn, whatever their number."""

    def __init__(self, most: int) -> None:
        self._gate = asyncio.Semaphore(most)

    async def enter(self) -> Place:
        """A place, as soon as there is one."""
        await self._gate.acquire()
        return _Turn(self._gate)


class _Turn:
    """One request's turn."""

    def __init__(self, gate: asyncio.Semaphore) -> None:
        self._gate: asyncio.Semaphore | None = gate

    def begin_waiting(self) -> None:
        self.leave()

    def leave(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.release()
