"""The lives of one master's process: when it has lost its place, it forgets everything and begins anew.

Nothing is carried over, so nothing that was decided in the life before can count in the next: it is what a supervisor
would do with a process that was killed, without waiting for one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from fleetfold_broker.background_tasks import BackgroundTasks
from fleetfold_master.cluster.membership import Membership
from fleetfold_shared.clock import Clock

__all__ = ["Supervisor"]

log = structlog.get_logger(__name__)

AGAIN_S = 1.0

Begin = Callable[[], Awaitable[Membership]]
"""Begins a life, which lasts until its membership is `lost`."""
End = Callable[[], Awaitable[None]]


class Supervisor:
    """`begin` and `end` one life after the other; the first and the last are the owner's, with `start` and `stop`."""

    def __init__(self, begin: Begin, end: End, clock: Clock) -> None:
        self._begin, self._end, self._clock = begin, end, clock
        self._living = BackgroundTasks()

    async def start(self) -> None:
        """Begin; from now on a lost place is taken anew."""
        try:
            membership = await self._begin()
        except BaseException:
            await self._end()
            raise
        self._living.spawn(self._live_on(membership))

    async def stop(self) -> None:
        """End the life of now."""
        await self._living.cancel()
        await self._end()

    async def _live_on(self, membership: Membership) -> None:
        while True:
            await membership.lost.wait()
            log.warning("master.lost_its_place", id=membership.id)
            await self._let_go()
            membership = await self._begin_for_sure()
            log.info("master.up_again", id=membership.id)

    async def _begin_for_sure(self) -> Membership:
        while True:
            try:
                return await self._begin()
            except Exception as error:  # noqa: BLE001  # the broker or the database is away: they come back
                log.warning("master.not_up_again", reason=str(error))
                await self._let_go()
            await self._clock.sleep(AGAIN_S)

    async def _let_go(self) -> None:
        try:
            await self._end()
        except Exception as error:  # noqa: BLE001  # what can no longer be written must not hinder a new start
            log.info("master.ended_badly", reason=str(error))
