"""Ending the access of an identity: its credentials, invitations and connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fleetfold_master.access.container import AccessContainer
from fleetfold_shared.concurrency import BackgroundTasks

__all__ = ["Disconnection", "Drop"]

GRACE_S = 0.2
"""Seconds that a caller who revokes its own credentials has to receive the reply."""
CLOSE_S = 2.0

Drop = Callable[[str], Awaitable[int]]
"""Ends the connections of an identity, and returns their number."""


class Disconnection:
    """Ends access. The owner calls `close` at the end."""

    def __init__(self, container: AccessContainer, drop: Drop) -> None:
        self._container, self._drop = container, drop
        self._tasks = BackgroundTasks()

    async def disconnect(self, name: str, *, caller: str = "") -> int:
        """End the connections of `name` and return their number. The caller's own end after its reply, and are not
        counted."""
        if name == caller:
            self.disconnect_later(name)
            return 0
        return await self._drop(name)

    def disconnect_later(self, name: str) -> None:
        """End the connections of `name` when the reply to the present request has been received."""

        async def drop() -> None:
            await asyncio.sleep(GRACE_S)
            await self._drop(name)

        self._tasks.spawn(drop())

    async def shut_out(self, node: str, reason: str) -> tuple[int, int]:
        """Revoke the node's invitations and sessions, then end its connections. Returns the number of each."""
        await self._container.join_requests.withdraw(node)
        ended = await self._container.invites.revoke_for(node) + await self._container.sessions.revoke(node, reason)
        return ended, await self.disconnect(node)

    async def close(self) -> None:
        """Finish the disconnections in progress."""
        await self._tasks.drain(CLOSE_S)
