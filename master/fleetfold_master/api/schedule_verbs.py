"""`schedules.<verb>`: storing, showing, pausing and deleting schedules."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from fleetfold_master.access.authorizer import Authorizer, Principal
from fleetfold_master.access.scoping import check_run, check_transact
from fleetfold_master.answer_budget import ROOM_BYTES
from fleetfold_master.api.audit_target import AuditSubject, named
from fleetfold_master.api.binding import Binding
from fleetfold_master.api.run_as import RunAs, verb_of
from fleetfold_master.schedules import Schedules, work_of
from fleetfold_shared import verbs
from fleetfold_shared.errors import FleetfoldError, Forbidden, NotFound
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import (
    Run,
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
    Transact,
)
from fleetfold_shared.verbs import Verb

__all__ = ["ScheduleVerbs"]

ALL_THE_SAME = "; `--unchecked` puts it all the same"

Named = SchedulePause | ScheduleResume | ScheduleRemove | ScheduleFire


class ScheduleVerbs:
    """The handlers. Storing a schedule requires permission for its work, which runs on behalf of the caller who stored
    it."""

    def __init__(self, schedules: Schedules, authorizer: Authorizer, starting: RunAs) -> None:
        self._schedules, self._authorizer, self._starting = schedules, authorizer, starting

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (
            Binding(verbs.schedules.PUT, self._put, _touches_put),
            Binding(verbs.schedules.GET, self._get),
            Binding(verbs.schedules.LIST, self._list),
            Binding(verbs.schedules.REMOVE, self._remove, _touches_named),
            Binding(verbs.schedules.PAUSE, self._pause, _touches_named),
            Binding(verbs.schedules.RESUME, self._resume, _touches_named),
            Binding(verbs.schedules.FIRE, self._fire, _touches_named),
        )

    async def _put(self, ask: SchedulePut, who: Principal) -> ScheduleView:
        self._may_do(ask.spec, who)
        before = None
        with contextlib.suppress(NotFound):  # it does not exist yet
            before = await self._seen(ask.spec.name, who, verbs.schedules.PUT)
        if not ask.unchecked and not _does_the_same(before, ask.spec, who):
            await self._check(ask.spec, who)
        return await self._schedules.put(ask.spec, who.name)

    async def _get(self, ask: ScheduleGet, who: Principal) -> ScheduleView:
        await self._seen(ask.name, who, verbs.schedules.GET)
        return await self._schedules.get(ask.name, firings=ask.firings)

    async def _list(self, ask: ScheduleList, who: Principal) -> ScheduleListed:
        """As many as fit into an answer; schedules that the caller may not see are omitted."""
        after, found, left = ask.after, list[ScheduleView](), ROOM_BYTES
        while page := await self._schedules.page(after, ask.limit):
            for view in page:
                after = view.spec.name
                if not _visible(view, who, verbs.schedules.LIST):
                    continue
                left -= len(msgspec.json.encode(view))
                if found and (left < 0 or len(found) == ask.limit):
                    return ScheduleListed(schedules=found)
                found.append(view)
        return ScheduleListed(schedules=found)

    async def _remove(self, ask: ScheduleRemove, who: Principal) -> ScheduleRemoved:
        await self._seen(ask.name, who, verbs.schedules.REMOVE)
        await self._schedules.remove(ask.name)
        return ScheduleRemoved(name=ask.name)

    async def _pause(self, ask: SchedulePause, who: Principal) -> ScheduleView:
        await self._seen(ask.name, who, verbs.schedules.PAUSE)
        return await self._schedules.pause(ask.name)

    async def _resume(self, ask: ScheduleResume, who: Principal) -> ScheduleView:
        await self._seen(ask.name, who, verbs.schedules.RESUME)
        return await self._schedules.resume(ask.name)

    async def _fire(self, ask: ScheduleFire, who: Principal) -> ScheduleView:
        self._may_do((await self._seen(ask.name, who, verbs.schedules.FIRE)).spec, who)
        return await self._schedules.fire(ask.name, ask.id, who.name)

    def _may_do(self, spec: ScheduleSpec, who: Principal) -> None:
        """Raise `Forbidden` if the caller could not request the schedule's work itself, or `InvalidInput`."""
        work = work_of(spec, "s-check")
        self._authorizer.check(who, verb_of(work).name)
        with _part_of(spec):
            if isinstance(work, Run):
                check_run(work, who)
            else:
                check_transact(work, who)

    async def _check(self, spec: ScheduleSpec, who: Principal) -> None:
        """Raise what a firing would raise now. It is checked under a new id, which belongs to no existing work."""
        with _part_of(spec, remedy=ALL_THE_SAME):
            await self._starting.check(work_of(spec, new_id()), who)

    async def _seen(self, name: str, who: Principal, verb: Verb[Any, Any]) -> ScheduleView:
        """The schedule, if this verb shows it to the caller."""
        view = (await self._schedules.standing(name)).view()
        if not _visible(view, who, verb):
            raise Forbidden(f"name: the schedule {name!r} is not for {who.name!r}", field="name")
        return view


@contextlib.contextmanager
def _part_of(spec: ScheduleSpec, remedy: str = "") -> Iterator[None]:
    """Map an error of the work to the schedule's field: `nodes` becomes `run.nodes`. Scopes have no remedy."""
    try:
        yield
    except FleetfoldError as error:
        if error.field is None:
            raise
        where = "transact" if spec.run is None else "run"
        message = error.message if isinstance(error, Forbidden) else error.message + remedy
        raise type(error)(f"{where}.{message}", field=f"{where}.{error.field}") from None


def _does_the_same(before: ScheduleView | None, spec: ScheduleSpec, who: Principal) -> bool:
    """Whether the work and its identity stay the same: storing a schedule again, as deployments do, must not fail
    because a node is in maintenance."""
    if before is None:
        return False
    return (before.caller, before.spec.run, before.spec.transact) == (who.name, spec.run, spec.transact)


def _visible(view: ScheduleView, who: Principal, verb: Verb[Any, Any]) -> bool:
    """Whether the verb shows a schedule: the caller's own, and others' if the role sees them and all nodes are in
    scope. A schedule for all nodes needs a caller without scopes."""
    if view.caller == who.name:
        return True
    if verb.roles.get(who.role) == "own":
        return False
    nodes = list(_nodes(work_of(view.spec, "s-check")))
    return all(map(who.may_node, nodes)) if nodes else not who.scopes.nodes


def _nodes(work: Run | Transact) -> Iterable[str]:
    return work.nodes if isinstance(work, Run) else [step.node for step in work.steps]


def _touches_put(ask: SchedulePut, view: ScheduleView | None) -> AuditSubject:
    nodes = () if view is None else _nodes(work_of(view.spec, "s-check"))
    return AuditSubject(named(nodes, whole=view is not None), ask.spec.name)


def _touches_named(ask: Named, _answer: object | None) -> AuditSubject:
    return AuditSubject(target=ask.name[:80])
