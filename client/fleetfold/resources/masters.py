"""Masters: `fleet.masters`."""

from __future__ import annotations

import builtins

from fleetfold.caller import Caller
from fleetfold_shared import verbs
from fleetfold_shared.messages import MasterInfo, MasterList, MastersReconcile, MastersReconciled

__all__ = ["Masters"]


RECONCILE_S = 60.0


class Masters:
    """The masters of the fleet."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(self) -> builtins.list[MasterInfo]:
        """List the masters, the longest running first: whether each is alive, and how many jobs and transactions it
        drives."""
        return (await self._caller.ask(verbs.masters.LIST, MasterList())).masters

    async def reconcile(self, *, accept: bool = False) -> MastersReconciled:
        """Ask the nodes what has happened since the masters' database was copied, after an old copy was put back. With
        `accept` go on without the nodes that do not answer, whose transactions are parked, and forget the list of what
        is lost."""
        return await self._caller.ask(verbs.masters.RECONCILE, MastersReconcile(accept=accept), RECONCILE_S)
