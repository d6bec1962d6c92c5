"""`masters.list`: the masters, for operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.binding import Binding
from fleetfold_shared import verbs
from fleetfold_shared.messages import MasterInfo, MasterList, MasterListed

__all__ = ["MasterVerbs"]


class MasterVerbs:
    """The handler. Masters serve the whole fleet, so callers with scopes may not list them. `list_masters` returns
    them."""

    def __init__(self, list_masters: Callable[[], Awaitable[list[MasterInfo]]]) -> None:
        self._list_masters = list_masters

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (Binding(verbs.masters.LIST, self._list),)

    async def _list(self, _ask: MasterList, who: Principal) -> MasterListed:
        who.need_whole_fleet(verbs.masters.LIST)
        return MasterListed(masters=await self._list_masters())
