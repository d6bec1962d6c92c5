"""`jobs.cancel` and `jobs.follow`: verbs about running jobs."""

from __future__ import annotations

from typing import Any

from fleetfold_broker.rpc.admission import begin_waiting
from fleetfold_broker.rpc.streamed_reply import Say, silent
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.scoping import check_visible
from fleetfold_master.api.audit_subject import AuditSubject, named
from fleetfold_master.api.guard import Verb
from fleetfold_master.jobs import Jobs
from fleetfold_master.payload_budget import fit_job
from fleetfold_shared.messages import Job, JobCancel, JobFollow

__all__ = ["JobVerbs"]


class JobVerbs:
    """The handlers, each with its message type."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def verbs(self) -> dict[str, Verb[Any]]:
        """All handlers, by verb."""
        return {
            "jobs.cancel": Verb(JobCancel, self._cancel, _touches_its_nodes, recorded=True),
            "jobs.follow": Verb(JobFollow, self._follow, in_parts=self._follow_in_parts),
        }

    async def _cancel(self, ask: JobCancel, who: Principal) -> Job:
        job = check_visible(await self._jobs.get(ask.id), who, "jobs.cancel")
        who.need_action(job.action)
        return fit_job(await self._jobs.cancel(ask.id, who.name))

    async def _follow(self, ask: JobFollow, who: Principal) -> Job:
        return await self._follow_in_parts(ask, who, silent)

    async def _follow_in_parts(self, ask: JobFollow, who: Principal, say: Say) -> Job:
        """Stream the parts to a caller who may see the job. A job's nodes never change, so one check is enough."""
        job = check_visible(await self._jobs.get(ask.id), who, "jobs.follow")
        begin_waiting()
        async for job in self._jobs.changes(ask.id, ask.wait_ms / 1000):
            if job.state == "running":
                await say(fit_job(job))
        return fit_job(job)


def _touches_its_nodes(ask: JobCancel, job: Job | None) -> AuditSubject:
    nodes = () if job is None else (part.node for part in job.nodes)
    return AuditSubject(named(nodes, whole=job is not None), ask.id)
