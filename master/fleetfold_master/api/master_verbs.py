"""`masters.list`: what operators may ask about the masters themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.guard import Verb
from fleetfold_shared.messages import MasterInfo, MasterList, MasterListed

__all__ = ["MasterVerbs"]


class MasterVerbs:
    """Its verb. Each master works for everybody: who has scopes may not ask. `roll` lists the masters."""

    def __init__(self, roll: Callable[[], Awaitable[list[MasterInfo]]]) -> None:
        self._roll = roll

    def verbs(self) -> dict[str, Verb[Any]]:
        """All of them, by name."""
        return {"masters.list": Verb(MasterList, self._list)}

    async def _list(self, _ask: MasterList, who: Principal) -> MasterListed:
        who.need_whole_fleet("masters.list")
        return MasterListed(masters=await self._roll())
