"""Client calls about schedules."""

from __future__ import annotations

from fleetfold.caller import Caller
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import (
    ScheduleFire,
    ScheduleGet,
    ScheduleList,
    ScheduleListed,
    SchedulePause,
    SchedulePut,
    ScheduleRemove,
    ScheduleRemoved,
    ScheduleResume,
    ScheduleSpec,
    ScheduleView,
)

__all__ = ["ScheduleCalls"]

ASKED_CHARS = 20


class ScheduleCalls(Caller):
    """Schedules."""

    async def put_schedule(self, spec: ScheduleSpec, *, unchecked: bool = False) -> ScheduleView:
        """Make a schedule, or put it in the place of the one of that name. Its firings are this identity's.

        What it does is checked as a dry run of it would be; with `unchecked` its nodes and actions may come later.
        """
        return await self._ask("schedules.put", SchedulePut(spec=spec, unchecked=unchecked), ScheduleView)

    async def schedule(self, name: str, *, firings: int = 20) -> ScheduleView:
        """One schedule, with the latest of its firings, newest first."""
        return await self._ask("schedules.get", ScheduleGet(name=name, firings=firings), ScheduleView)

    async def schedules(self) -> list[ScheduleView]:
        """All of them, by name."""
        found: list[ScheduleView] = []
        after = ""
        while page := (await self._ask("schedules.list", ScheduleList(after=after), ScheduleListed)).schedules:
            found += page
            after = page[-1].spec.name
        return found

    async def remove_schedule(self, name: str) -> None:
        """Remove it and its history; what it has started goes on."""
        await self._ask("schedules.remove", ScheduleRemove(name=name), ScheduleRemoved)

    async def pause_schedule(self, name: str) -> ScheduleView:
        """Fire nothing until it is resumed."""
        return await self._ask("schedules.pause", SchedulePause(name=name), ScheduleView)

    async def resume_schedule(self, name: str) -> ScheduleView:
        """Fire again, from now on."""
        return await self._ask("schedules.resume", ScheduleResume(name=name), ScheduleView)

    async def fire_schedule(self, name: str, *, id: str | None = None) -> ScheduleView:  # noqa: A002
        """Fire now; `last` is that firing. The same `id` (20 letters or digits at most) is the same firing.

        `Conflict` while the firing before goes on, unless its overlap policy allows both.
        """
        ask = ScheduleFire(name=name, id=id or new_id()[-ASKED_CHARS:])
        return await self._ask("schedules.fire", ask, ScheduleView)
