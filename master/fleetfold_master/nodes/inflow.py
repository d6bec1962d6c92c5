"""Budgets for unsolicited messages per identity, applied before a message is decoded.

Of too many heartbeats or progress reports the newest is enough, because it supersedes the others. An identity far
over its budget is published as an `IdentityFlooded`, and disconnected: discarding a message does not save its
transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fleetfold_broker.connection.subscription import Incoming
from fleetfold_master.events import IdentityFlooded, Publish, publish_to_nobody
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.config import LimitsConfig

__all__ = ["Budget", "Inflow", "Newest"]

BURST_S = 5.0
"""Burst size in seconds of the budget."""
AGAIN_S = 5.0
"""Seconds until a flood is reported again, so that the disconnection can take effect."""
MOST_HELD = 10_000
COUNTED_BYTES = 4096
"""Of a large message each so many bytes count as one more: a few of a megabyte cost as much as thousands."""


class Budget:
    """A budget of messages per second for each identity."""

    def __init__(self, per_s: int, clock: Clock) -> None:
        self._per_s, self._most, self._clock = per_s, per_s * BURST_S, clock
        self._held: dict[str, tuple[float, float]] = {}

    def take(self, identity: str, cost: int = 1) -> bool:
        """Count a message that weighs `cost`. Returns False if the identity is over its budget."""
        now = self._clock.monotonic()
        tokens, at = self._held.get(identity) or (self._most, now)
        tokens = min(self._most, tokens + (now - at) * self._per_s)
        good = tokens >= cost
        if len(self._held) >= MOST_HELD and identity not in self._held:
            self._held.clear()
        self._held[identity] = (tokens - cost if good else tokens, now)
        return good


class Inflow:
    """The budgets of one master."""

    def __init__(self, limits: LimitsConfig, clock: Clock, publish: Publish = publish_to_nobody) -> None:
        self.limits, self._clock, self._publish = limits, clock, publish
        self._heartbeats = Budget(limits.heartbeats_per_s, clock)
        self._progress = Budget(limits.progress_per_s, clock)
        self._all = Budget(limits.flood_per_s, clock)
        self._reported_at: dict[str, float] = {}

    def heartbeat(self, node: str, size: int = 0) -> bool:
        """Whether to process this heartbeat of `size` bytes now."""
        self.junk(node, size)
        return self._heartbeats.take(node)

    def progress(self, node: str, size: int = 0) -> bool:
        """Whether to process this progress report of `size` bytes."""
        self.junk(node, size)
        return self._progress.take(node, _cost(size))

    def junk(self, identity: str, size: int = 0) -> None:
        """Count a message of `size` bytes that was not requested, or is invalid."""
        if not self.limits.flood_per_s or self._all.take(identity, _cost(size)):
            return
        now = self._clock.monotonic()
        if now - self._reported_at.get(identity, -AGAIN_S) >= AGAIN_S:
            self._reported_at = {each: at for each, at in self._reported_at.items() if now - at < AGAIN_S} | {
                identity: now
            }
            self._publish(IdentityFlooded(identity))


def _cost(size: int) -> int:
    return 1 + size // COUNTED_BYTES


class Newest:
    """Processes each node's messages as `now` permits, and the newest of those in between `pause_s` seconds later."""

    def __init__(self, handle: Callable[[Incoming], Coroutine[Any, Any, None]], pause_s: float) -> None:
        self._handle, self._pause_s = handle, pause_s
        self._waiting: dict[str, Incoming] = {}
        self._tasks, self._stopped = BackgroundTasks(), False

    async def hear(self, node: str, message: Incoming, *, now: bool) -> None:
        """Process `message` now or, unless a newer one arrives, soon."""
        if now:
            if node in self._waiting:
                self._waiting[node] = message  # in its turn, in place of the older one
            else:
                await self._handle(message)
            return
        if node not in self._waiting:
            asyncio.get_running_loop().call_later(self._pause_s, self._due, node)
        self._waiting[node] = message

    async def stop(self) -> None:
        """Stop processing."""
        self._stopped = True
        await self._tasks.cancel()

    def _due(self, node: str) -> None:
        message = self._waiting.pop(node)
        if not self._stopped:
            self._tasks.spawn(self._handle(message))
