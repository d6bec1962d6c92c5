"""Handlers of the verbs that run actions, one at a time or hundreds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from fleetfold_broker.rpc.admission import may_wait
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.scoping import check_run
from fleetfold_master.answer_budget import fit_job
from fleetfold_master.api.audit_target import AuditSubject, named, of_job
from fleetfold_master.api.binding import Binding
from fleetfold_master.api.callback_check import CheckCallback, anywhere
from fleetfold_master.api.denied_requests import DeniedRequests
from fleetfold_master.jobs import BulkReads, Jobs
from fleetfold_master.jobs.bulk_reads import StartedJob
from fleetfold_master.jobs.targeting import Target, Targeting, check_confirmed
from fleetfold_master.nodes import Registry
from fleetfold_shared import verbs
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import FleetfoldError, Forbidden, InvalidInput, NotFound
from fleetfold_shared.messages import (
    Job,
    JobNode,
    Run,
    RunAccepted,
    Submit,
    Submitted,
)

__all__ = ["ActionVerbs"]


class ActionVerbs:
    """The handlers. `check_callback` decides which callback addresses are allowed."""

    def __init__(
        self, registry: Registry, jobs: Jobs, bulk: BulkReads, refusals: DeniedRequests, clock: Clock,
        check_callback: CheckCallback = anywhere,
    ) -> None:  # fmt: skip
        self._targets, self._check_callback = Targeting(registry), check_callback
        self._jobs, self._bulk, self._refusals, self._clock = jobs, bulk, refusals, clock
        self._looking = asyncio.Lock()

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of this area, with their handlers."""
        return (
            Binding(verbs.actions.RUN, self._run, _touches_run),
            Binding(verbs.actions.SUBMIT, self._submit, _touches_runs),
        )

    async def _run(self, ask: Run, who: Principal) -> Job:
        job = await self._begin(ask, who)
        if ask.wait_ms and job.state == "running" and may_wait():
            job = await self._jobs.wait(ask.id, ask.wait_ms / 1000)
        return fit_job(job)

    async def _begin(self, ask: Run, who: Principal) -> Job:
        """Start the job of this run. If its id exists, return the existing job, whatever nodes match now."""
        check_run(ask, who)
        self._check_callback(ask.callback)
        try:
            targets = self._targets.choose(ask, who)
            if ask.dry_run:
                return self._checked(ask, targets, who)
            check_confirmed(ask, targets)
        except (InvalidInput, NotFound):
            if await self._bulk.begun([ask], who.name) == [None]:
                raise
            return await self._jobs.get(ask.id)
        return await self._jobs.start(ask, [target.node for target in targets], who.name, who.role)

    def _checked(self, ask: Run, targets: Iterable[Target], who: Principal) -> Job:
        """The job as it would start: the dry run."""
        nodes = [JobNode(target.node, would_run=True) for target in targets]
        return Job(
            id=ask.id, action=ask.action, params=ask.params, state="checked", nodes=nodes, caller=who.name,
            created_at=self._clock.wall(),
        )  # fmt: skip

    async def _submit(self, ask: Submit, who: Principal) -> Submitted:
        """Start many jobs that share their commits. Each is checked by itself: an invalid one does not affect the
        others."""
        begun = await self._bulk.begun(ask.runs, who.name)
        return Submitted(runs=await asyncio.gather(*map(self._accept, ask.runs, begun, repeat(who))))

    async def _accept(self, run: Run, begun: StartedJob | None, who: Principal) -> RunAccepted:
        if begun is not None:  # known from an interrupted batch: not checked again
            return RunAccepted(id=run.id, state=begun.state, nodes=begun.nodes)
        if not run.nodes:  # each check visits every node: let other tasks run in between
            async with self._looking:
                await asyncio.sleep(0)
        try:
            job = await self._begin(run, who)
        except FleetfoldError as error:
            if isinstance(error, Forbidden):
                self._refusals.count(
                    who.name, who.role, verbs.actions.SUBMIT.name, error, _touches_run(run, None) or AuditSubject()
                )
            return RunAccepted(id=run.id, error=error.body())
        return RunAccepted(id=run.id, state=job.state, nodes=len(job.nodes))


def _touches_run(ask: Run, job: Job | None) -> AuditSubject | None:
    """The audit subject; None for a dry run."""
    if job is not None and job.state == "checked":
        return None
    nodes = ask.nodes if job is None else [part.node for part in job.nodes]
    said = () if job is None else of_job(job.state)
    return AuditSubject(named(nodes, whole=job is not None), f"{ask.action} {ask.id}", *said)


def _touches_runs(ask: Submit, answer: Submitted | None) -> AuditSubject | None:
    """The audit subject of a batch: number of runs, their actions, and the first and last job id."""
    runs = _begun(ask.runs, answer)
    if not runs:
        return None
    counted = ", ".join(f"{number} {action}" for action, number in Counter(run.action for run in runs).items())
    nodes = (node for run in runs for node in run.nodes)
    return AuditSubject(named(nodes, whole=False), f"{counted}: {runs[0].id} to {runs[-1].id}", "accepted")


def _begun(runs: Sequence[Run], answer: Submitted | None) -> list[Run]:
    if answer is None:
        return list(runs)
    return [
        run
        for run, accepted in zip(runs, answer.runs, strict=True)
        if accepted.error is None and accepted.state != "checked"
    ]
