"""Masters: `fleet.masters`."""

from __future__ import annotations

import builtins

from fleetfold.caller import Caller
from fleetfold_shared import verbs
from fleetfold_shared.messages import MasterInfo, MasterList

__all__ = ["Masters"]


class Masters:
    """The masters of the fleet."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(self) -> builtins.list[MasterInfo]:
        """List the masters, the longest running first: whether each is alive, and how many jobs and transactions it
        drives."""
        return (await self._caller.ask(verbs.masters.LIST, MasterList())).masters
