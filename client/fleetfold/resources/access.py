"""Access: `fleet.access`."""

from __future__ import annotations

from fleetfold.caller import Caller
from fleetfold_shared import verbs
from fleetfold_shared.messages import AccessStats, AccessStatsRequest, Identity, WhoAmI

__all__ = ["Access"]


class Access:
    """The caller's identity, and statistics of logins and permissions."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def whoami(self) -> Identity:
        """Get this client's name, role and scopes."""
        return await self._caller.ask(verbs.access.WHOAMI, WhoAmI())

    async def stats(self) -> AccessStats:
        """Get the numbers of logins and requests admitted and refused, with reasons, since the master's start."""
        return await self._caller.ask(verbs.access.STATS, AccessStatsRequest())
