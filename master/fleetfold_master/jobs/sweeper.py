"""The sweeper of jobs: ends overdue tasks, sends unanswered commands again, and begins tasks that are due.

It visits only jobs that are due, and a limited number of them: 100,000 commands for an absent node delay no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from math import inf

from fleetfold_master.jobs.command_cancellation import Cancellations
from fleetfold_master.jobs.command_dispatch import RESEND_MAX_S, RESEND_S, NodeHealth
from fleetfold_master.jobs.job_engine import JobEngine
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.jobs.job_spill import SpilledJob
from fleetfold_master.jobs.rollout import Pause, decide
from fleetfold_master.jobs.task import Ending, Task, command_id
from fleetfold_shared.concurrency import batches, settle_all
from fleetfold_shared.messages import OVER_TIME

__all__ = ["Sweeper"]

JOBS_A_SWEEP = 2000
JOBS_AT_ONCE = 256
SENDS_A_NODE, RESENDS_A_NODE = 500, 100
"""Sends per node and sweep, of commands that the broker may not have and of those it has stored: a node with a long
queue is not sent it twice.
"""
LOOK_AGAIN_S = 1.0

Fetch = Callable[[Sequence[SpilledJob]], Awaitable[None]]
"""Loads these jobs into memory."""


class Sweeper:
    """Sweeps the jobs of an engine."""

    def __init__(
        self, engine: JobEngine, health: NodeHealth, cancellations: Cancellations | None, fetch: Fetch
    ) -> None:
        self._engine, self._health, self._cancellations = engine, health, cancellations
        self._fetch = fetch
        self._resent = Counter[str]()

    async def once(self, now: float) -> None:
        """Process what is due at `now` (Unix seconds), up to the limit of one sweep."""
        self._resent.clear()
        self._resume_returned(now)
        await self._load_spilled(now)
        running = self._engine.running
        due = [running[key] for key in self._engine.due_queue.due(now, JOBS_A_SWEEP) if key in running]
        for batch in batches(due, JOBS_AT_ONCE):
            await settle_all(self._process(job, now) for job in batch)
        ready = [job for job in self._engine.rolling.values() if _may_move(job, now)]
        for batch in batches(ready, JOBS_AT_ONCE):
            await settle_all(self._engine.advance(job) for job in batch)
        for action in self._engine.slots.expire(now):
            await self._engine.grant_free_slots(action)

    async def _load_spilled(self, now: float) -> None:
        """Load spilled jobs that are needed: their time is over, or their node is back."""
        if spill := self._engine.spill:
            await self._fetch([*spill.over(now, SENDS_A_NODE), *spill.ready(self._health.healthy, SENDS_A_NODE)])

    async def resend_all(self, now: float) -> None:
        """Send every unanswered command again."""
        for batch in batches(list(self._engine.running.values()), JOBS_AT_ONCE):
            await settle_all(self._engine.resend(job, list(job.open_tasks()), now) for job in batch)
        for spilled in batches(self._engine.spill.everything(), JOBS_AT_ONCE):
            await self._fetch(spilled)
            fetched = [job for entry in spilled if (job := self._engine.running.get(entry.key)) is not None]
            await settle_all(self._engine.resend(job, list(job.open_tasks()), now) for job in fetched)

    async def _process(self, job: RunningJob, now: float) -> None:
        try:
            over = [task for task in job.open_tasks() if now >= task.deadline_at and self._may_end(job, task, now)]
            if over:
                await self._give_up(job, over)
            due = [task for task in job.open_tasks() if task.due_at <= now < task.deadline_at]
            await self._engine.resend(job, [task for task in due if self._may_resend(job, task, now)], now)
        finally:
            if self._engine.may_spill(job):
                self._engine.spill_job(job)
            else:
                self._engine.plan(job)

    def _may_end(self, job: RunningJob, task: Task, now: float) -> bool:
        """A cancelled task may time out only after its command was withdrawn from the node's queue."""
        if job.cancelling is None or self._cancellations is None:
            return True
        if self._cancellations.try_forget(task.node, command_id(job.id, task.node)):
            return True
        task.deadline_at = now + LOOK_AGAIN_S
        return False

    async def _give_up(self, job: RunningJob, over: list[Task]) -> None:
        """End overdue tasks without an answer, and ask their node, if healthy, to stop the commands."""
        endings = [(task, self._over(job, task)) for task in over]
        if self._cancellations is not None:
            for task in (task for task in over if self._health.healthy(task.node)):
                ids = [command_id(job.id, task.node)]
                self._cancellations.cancel(task.node, ids, OVER_TIME, give_up_after_s=0.0, dequeue=False)
        await self._engine.settle(job, endings)

    def _over(self, job: RunningJob, task: Task) -> Ending:
        if task.refused is not None:
            why = f"the queue of {task.node!r} was full all the time; it never began"
            return Ending("rejected", answered=False, error=why)
        if self._health.healthy(task.node):
            return Ending("timed_out", answered=False, error=f"no answer within {job.time_limit_s:g} s")
        after = "is not there" if job.cancelling else "is not there; it will run this when it is back"
        return Ending("unreachable", answered=False, error=f"{task.node} {after}")

    def _may_resend(self, job: RunningJob, task: Task, now: float) -> bool:
        """Not to an absent node: the broker keeps the command, and another copy would only fill its queue."""
        if job.cancelling is not None:
            task.due_at = inf
        elif not self._health.healthy(task.node):
            task.due_at = inf
            self._engine.away[task.node][job.id] = None
        elif self._resent[task.node] >= (RESENDS_A_NODE if task.stored else SENDS_A_NODE):
            task.due_at = now + RESEND_S
        else:
            self._resent[task.node] += 1
            return True
        return False

    def _resume_returned(self, now: float) -> None:
        """Make tasks of nodes that are back due, as many as one sweep sends. What is in their queues is delivered
        anyway."""
        for node in [node for node, jobs in self._engine.away.items() if not jobs]:
            del self._engine.away[node]
        for node, jobs in self._engine.away.items():
            if self._health.healthy(node):
                for key in list(islice(jobs, SENDS_A_NODE)):
                    del jobs[key]
                    self._due_now(key, node, now)

    def _due_now(self, key: str, node: str, now: float) -> None:
        job = self._engine.running.get(key)
        task = None if job is None else job.task_of(node)
        if job is not None and task is not None:
            task.due_at = now + RESEND_MAX_S if task.stored else now
            self._engine.plan(job)


def _may_move(job: RunningJob, now: float) -> bool:
    """Whether a pause is over, or a following step was not written."""
    verdict = decide(job.plan, job.standing(), now)
    return verdict.until != job.resume_at if isinstance(verdict, Pause) else verdict is not None
