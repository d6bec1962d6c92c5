"""Handlers of the verbs about jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleetfold_broker.rpc.admission import begin_waiting
from fleetfold_broker.rpc.streamed_reply import Say
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.scoping import MOST_LOOKED_AT, check_visible, sees_all, visible
from fleetfold_master.answer_budget import ROOM_BYTES, fit_all, fit_job
from fleetfold_master.api.audit_target import AuditSubject, named
from fleetfold_master.api.binding import Binding
from fleetfold_master.jobs import BulkReads, Jobs
from fleetfold_shared import verbs
from fleetfold_shared.messages import (
    Job,
    JobCancel,
    JobEnd,
    JobEnds,
    JobEndsRequest,
    JobFollow,
    JobGet,
    JobList,
    JobListed,
    JobWait,
    encode,
)

__all__ = ["JobVerbs"]


class JobVerbs:
    """The handlers. A job's nodes never change, so one check that the caller may see it is enough."""

    def __init__(self, jobs: Jobs, bulk: BulkReads) -> None:
        self._jobs, self._bulk = jobs, bulk

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (
            Binding(verbs.jobs.GET, self._get),
            Binding(verbs.jobs.WAIT, self._wait),
            Binding(verbs.jobs.ENDED, self._ended),
            Binding(verbs.jobs.LIST, self._list),
            Binding(verbs.jobs.FOLLOW, stream=self._follow),
            Binding(verbs.jobs.CANCEL, self._cancel, _touches_its_nodes),
        )

    async def _get(self, ask: JobGet, who: Principal) -> Job:
        return fit_job(check_visible(await self._jobs.get(ask.id), who, verbs.jobs.GET))

    async def _wait(self, ask: JobWait, who: Principal) -> Job:
        check_visible(await self._jobs.get(ask.id), who, verbs.jobs.WAIT)
        begin_waiting()
        return fit_job(await self._jobs.wait(ask.id, ask.wait_ms / 1000))

    async def _ended(self, ask: JobEndsRequest, who: Principal) -> JobEnds:
        begin_waiting()
        found = await self._bulk.ended(ask.ids, ask.wait_ms / 1000)
        seen = [job for job in found.ended if visible(job, who, verbs.jobs.ENDED)]
        hidden = {job.id for job in found.ended}.difference(job.id for job in seen)
        return JobEnds(ended=_fitting(seen), unknown=[*found.unknown, *sorted(hidden)])

    async def _list(self, ask: JobList, who: Principal) -> JobListed:
        jobs = await self._jobs.list(ask.limit if sees_all(who, verbs.jobs.LIST) else MOST_LOOKED_AT, ask)
        seen = [job for job in jobs if visible(job, who, verbs.jobs.LIST)]
        return JobListed(jobs=fit_all(seen[: ask.limit], fit_job))

    async def _follow(self, ask: JobFollow, who: Principal, say: Say) -> Job:
        job = check_visible(await self._jobs.get(ask.id), who, verbs.jobs.FOLLOW)
        begin_waiting()
        async for job in self._jobs.changes(ask.id, ask.wait_ms / 1000):
            if job.state == "running":
                await say(fit_job(job))
        return fit_job(job)

    async def _cancel(self, ask: JobCancel, who: Principal) -> Job:
        job = check_visible(await self._jobs.get(ask.id), who, verbs.jobs.CANCEL)
        who.need_action(job.action)
        return fit_job(await self._jobs.cancel(ask.id, who.name))


def _fitting(jobs: Iterable[Job]) -> list[JobEnd]:
    """As many jobs as fit, and at least one: the caller asks again for the rest."""
    ends, left = list[JobEnd](), ROOM_BYTES
    for job in jobs:
        fitted = fit_job(job)
        end = JobEnd(job.id, job.state, fitted.nodes, job.note)
        left -= len(encode(end))
        if ends and left < 0:
            break
        ends.append(end)
    return ends


def _touches_its_nodes(ask: JobCancel, job: Job | None) -> AuditSubject:
    nodes = () if job is None else (part.node for part in job.nodes)
    return AuditSubject(named(nodes, whole=job is not None), ask.id)
