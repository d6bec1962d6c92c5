"""Confirmation of the node's name: no command begins after the process was suspended until a master confirms that this
process still has the name.

A process that does not run for a while (SIGSTOP, a paused virtual machine, a laptop's sleep) may be replaced meanwhile.
When it wakes, its buffers hold commands that its successor has been given too.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog

from fleetfold_shared.errors import FleetfoldError

__all__ = ["SUSPENDED_S", "TICK_S", "ConfirmName", "NameConfirmation", "boot_time"]

log = structlog.get_logger(__name__)

TICK_S = 0.5
SUSPENDED_S = 1.0
"""Seconds without a tick after which another process may have the name: a master waits as long for an answer of the
present one before it lets another join.
"""

ConfirmName = Callable[[], Awaitable[None]]
"""Waits until a master confirms the name. Raises `Unavailable` when another process has it."""


def boot_time() -> float:
    """Return the seconds since the machine's start, including those it was asleep where the system counts them."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class NameConfirmation:
    """Has the name confirmed once after each suspension, for all commands that are to begin. `watch` runs beside it."""

    def __init__(self, ask: ConfirmName, now: Callable[[], float] = boot_time) -> None:
        self._ask, self._now = ask, now
        self._ticked_at: float | None = None
        self._suspensions = self._confirmed = 0
        self._asking = asyncio.Lock()

    async def need(self) -> None:
        """Return when the name is confirmed. Raises what the asking raises."""
        self._tick()
        await self._confirm()

    async def watch(self) -> None:
        """Tick for ever, and confirm the name after a suspension also when no command comes."""
        while True:
            self._tick()
            with contextlib.suppress(FleetfoldError):  # the next command asks again
                await self._confirm()
            await asyncio.sleep(TICK_S)

    def _tick(self) -> None:
        before, self._ticked_at = self._ticked_at, self._now()
        if before is not None and (gap_s := self._ticked_at - before) > SUSPENDED_S:
            self._suspensions += 1
            log.info("node.was_suspended", seconds=round(gap_s, 1))

    async def _confirm(self) -> None:
        """Ask once for all suspensions so far."""
        while self._confirmed != self._suspensions:
            async with self._asking:
                if (so_far := self._suspensions) != self._confirmed:
                    await self._ask()
                    self._confirmed = so_far
