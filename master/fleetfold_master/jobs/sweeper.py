"""What time demands of jobs: some end without an answer, some commands are sent again, some targets have their turn.

Only those are looked at whose time has come, and never too many at once: 100,000 commands for a node that is away hold
up nobody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from math import inf

from fleetfold_master.jobs.cancellation import Cancellations
from fleetfold_master.jobs.dispatch import RESEND_MAX_S, RESEND_S, NodeHealth, together
from fleetfold_master.jobs.job_engine import JobEngine
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.jobs.rollout import Pause, decide
from fleetfold_master.jobs.spill import SpilledJob
from fleetfold_master.jobs.task import Ending, Task, command_id
from fleetfold_shared.batching import waves

__all__ = ["Sweeper"]

JOBS_A_SWEEP = 2000
JOBS_AT_ONCE = 256
SENDS_A_NODE, RESENDS_A_NODE = 500, 100
"""In one sweep, of what the broker may not have, and of what it has stored: a node with a long queue is not given it
twice.
"""
LOOK_AGAIN_S = 1.0
OVER_TIME = "its job, whose time is over"

Fetch = Callable[[Sequence[SpilledJob]], Awaitable[None]]
"""Has these jobs in memory again."""


class Sweeper:
    """Looks after the jobs of a course."""

    def __init__(self, course: JobEngine, health: NodeHealth, withdrawals: Cancellations | None, fetch: Fetch) -> None:
        self._course, self._health, self._withdrawals = course, health, withdrawals
        self._fetch = fetch
        self._resent = Counter[str]()

    async def once(self, now: float) -> None:
        """All that is due at `now` (Unix seconds), or so much of it as one sweep takes on."""
        self._resent.clear()
        self._welcome_back(now)
        await self._take_down(now)
        running = self._course.running
        due = [running[key] for key in self._course.agenda.due(now, JOBS_A_SWEEP) if key in running]
        for wave in waves(due, JOBS_AT_ONCE):
            await together(self._look_after(job, now) for job in wave)
        ready = [job for job in self._course.rolling.values() if _may_move(job, now)]
        for wave in waves(ready, JOBS_AT_ONCE):
            await together(self._course.advance(job) for job in wave)
        for action in self._course.slots.expire(now):
            await self._course.give_turns(action)

    async def _take_down(self, now: float) -> None:
        """What was put away is needed again: its time is over, or its node is back."""
        if shelf := self._course.shelf:
            await self._fetch([*shelf.over(now, SENDS_A_NODE), *shelf.ready(self._health.healthy, SENDS_A_NODE)])

    async def resend_all(self, now: float) -> None:
        """Send every unanswered command again."""
        for wave in waves(list(self._course.running.values()), JOBS_AT_ONCE):
            await together(self._course.resend(job, list(job.open_tasks()), now) for job in wave)
        for shelved in waves(self._course.shelf.everything(), JOBS_AT_ONCE):
            await self._fetch(shelved)
            fetched = [job for entry in shelved if (job := self._course.running.get(entry.key)) is not None]
            await together(self._course.resend(job, list(job.open_tasks()), now) for job in fetched)

    async def _look_after(self, job: RunningJob, now: float) -> None:
        try:
            over = [task for task in job.open_tasks() if now >= task.deadline_at and self._may_end(job, task, now)]
            if over:
                await self._give_up(job, over)
            due = [task for task in job.open_tasks() if task.due_at <= now < task.deadline_at]
            await self._course.resend(job, [task for task in due if self._may_resend(job, task, now)], now)
        finally:
            if self._course.may_be_put_away(job):
                self._course.put_away(job)
            else:
                self._course.plan(job)

    def _may_end(self, job: RunningJob, task: Task, now: float) -> bool:
        """What is cancelled is remembered until it can begin no more."""
        if job.cancelling is None or self._withdrawals is None:
            return True
        if self._withdrawals.let_go(task.node, command_id(job.id, task.node)):
            return True
        task.deadline_at = now + LOOK_AGAIN_S
        return False

    async def _give_up(self, job: RunningJob, over: list[Task]) -> None:
        """No answer in time. A node that is there is asked to stop what nobody waits for any more."""
        endings = [(task, self._over(job, task)) for task in over]
        if self._withdrawals is not None:
            for task in (task for task in over if self._health.healthy(task.node)):
                ids = [command_id(job.id, task.node)]
                self._withdrawals.cancel(task.node, ids, OVER_TIME, patience_s=0.0, dequeue=False)
        await self._course.settle(job, endings)

    def _over(self, job: RunningJob, task: Task) -> Ending:
        if task.refused is not None:
            why = f"the queue of {task.node!r} was full all the time; it never began"
            return Ending("rejected", answered=False, error=why)
        if self._health.healthy(task.node):
            return Ending("timed_out", answered=False, error=f"no answer within {job.patience_s:g} s")
        after = "is not there" if job.cancelling else "is not there; it will run this when it is back"
        return Ending("unreachable", answered=False, error=f"{task.node} {after}")

    def _may_resend(self, job: RunningJob, task: Task, now: float) -> bool:
        """Not to a node that is away: the broker keeps the command, and another copy would only fill its queue."""
        if job.cancelling is not None:
            task.due_at = inf
        elif not self._health.healthy(task.node):
            task.due_at = inf
            self._course.away[task.node][job.id] = None
        elif self._resent[task.node] >= (RESENDS_A_NODE if task.stored else SENDS_A_NODE):
            task.due_at = now + RESEND_S
        else:
            self._resent[task.node] += 1
            return True
        return False

    def _welcome_back(self, now: float) -> None:
        """What waited for a node that is there again is due, so much of it as one sweep sends. What is in its queue is
        delivered without that.
        """
        for node in [node for node, jobs in self._course.away.items() if not jobs]:
            del self._course.away[node]
        for node, jobs in self._course.away.items():
            if self._health.healthy(node):
                for key in list(islice(jobs, SENDS_A_NODE)):
                    del jobs[key]
                    self._due_now(key, node, now)

    def _due_now(self, key: str, node: str, now: float) -> None:
        job = self._course.running.get(key)
        task = None if job is None else job.task_of(node)
        if job is not None and task is not None:
            task.due_at = now + RESEND_MAX_S if task.stored else now
            self._course.plan(job)


def _may_move(job: RunningJob, now: float) -> bool:
    """A pause is over, or what should have followed was not written."""
    verdict = decide(job.plan, job.standing(), now)
    return verdict.until != job.resume_at if isinstance(verdict, Pause) else verdict is not None
