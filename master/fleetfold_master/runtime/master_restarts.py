"""The crash-only restart loop of one process: a master that has lost its lease drops all state and starts again, as
does one whose database turns out to be an old copy.

No in-memory state survives a restart, so no earlier decision can take effect after the lease was lost. It is what a
process supervisor does after a kill, without waiting for one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from fleetfold_master.cluster.membership import Membership
from fleetfold_shared.backoff import Backoff, retry
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import BackgroundTasks

__all__ = ["Supervisor"]

log = structlog.get_logger(__name__)

BACKOFF = Backoff.constant(1.0)

Begin = Callable[[], Awaitable[Membership]]
"""Starts a master, which runs until its membership is `lost`."""
End = Callable[[], Awaitable[None]]


class Supervisor:
    """Calls `begin` and `end` in alternation. The owner calls `start` and `stop`."""

    def __init__(self, begin: Begin, end: End, clock: Clock) -> None:
        self._begin, self._end, self._clock = begin, end, clock
        self._loop = BackgroundTasks()

    async def start(self) -> None:
        """Start. From now on a lost lease leads to a restart. Raises what `begin` raises."""
        try:
            membership = await self._begin()
        except BaseException:
            await self._end()
            raise
        self._loop.spawn(self._restart_when_lost(membership))

    async def stop(self) -> None:
        """Stop restarting, and end the current run."""
        await self._loop.cancel()
        await self._end()

    async def _restart_when_lost(self, membership: Membership) -> None:
        while True:
            await membership.lost.wait()
            if not membership.begins_again:
                log.warning("master.lease_lost", id=membership.id)
            await self._end_quietly()
            membership = await self._begin_with_retries()
            log.info("master.restarted", id=membership.id)

    async def _begin_with_retries(self) -> Membership:
        return await retry(self._begin_or_end, BACKOFF, Exception, clock=self._clock)

    async def _begin_or_end(self) -> Membership:
        try:
            return await self._begin()
        except Exception as error:  # the broker or the database is away: they come back
            log.warning("master.restart_failed", reason=str(error))
            await self._end_quietly()
            raise

    async def _end_quietly(self) -> None:
        try:
            await self._end()
        except Exception as error:  # noqa: BLE001  # what can no longer be written must not hinder a new start
            log.info("master.close_failed", reason=str(error))
