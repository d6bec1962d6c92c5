"""Schedules: `fleet.schedules`."""

from __future__ import annotations

import builtins

from fleetfold.caller import Caller
from fleetfold_shared import verbs
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import (
    ScheduleFire,
    ScheduleGet,
    ScheduleList,
    SchedulePause,
    SchedulePut,
    ScheduleRemove,
    ScheduleResume,
    ScheduleSpec,
    ScheduleView,
)

__all__ = ["Schedules"]

ASKED_CHARS = 20


class Schedules:
    """Schedules: actions and transactions that are started at recurring times."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def put(self, spec: ScheduleSpec, *, unchecked: bool = False) -> ScheduleView:
        """Create a schedule, or replace the one of that name. Its firings are started as this identity.

        Its work is checked by a dry run; with `unchecked` its nodes and actions need not exist yet.
        """
        return await self._caller.ask(verbs.schedules.PUT, SchedulePut(spec=spec, unchecked=unchecked))

    async def get(self, name: str, *, firings: int = 20) -> ScheduleView:
        """Get one schedule, with the latest `firings` of it, newest first. Raises `NotFound`."""
        return await self._caller.ask(verbs.schedules.GET, ScheduleGet(name=name, firings=firings))

    async def list(self) -> builtins.list[ScheduleView]:
        """List all schedules, by name."""
        found: list[ScheduleView] = []
        after = ""
        while page := (await self._caller.ask(verbs.schedules.LIST, ScheduleList(after=after))).schedules:
            found += page
            after = page[-1].spec.name
        return found

    async def remove(self, name: str) -> None:
        """Remove a schedule and its history; what it has started continues."""
        await self._caller.ask(verbs.schedules.REMOVE, ScheduleRemove(name=name))

    async def pause(self, name: str) -> ScheduleView:
        """Start nothing until the schedule is resumed."""
        return await self._caller.ask(verbs.schedules.PAUSE, SchedulePause(name=name))

    async def resume(self, name: str) -> ScheduleView:
        """Resume a paused schedule, from now on: times that passed meanwhile are skipped."""
        return await self._caller.ask(verbs.schedules.RESUME, ScheduleResume(name=name))

    async def fire(self, name: str, *, id: str | None = None) -> ScheduleView:
        """Start its work now; `last` is that firing. The same `id` (at most 20 letters or digits) is the same firing.

        Raises `Conflict` while the previous firing is running, unless the overlap policy allows both.
        """
        ask = ScheduleFire(name=name, id=id or new_id()[-ASKED_CHARS:])
        return await self._caller.ask(verbs.schedules.FIRE, ask)
