"""The engine of running jobs: commits how tasks end, begins what follows, and sends the commands.

Each change is committed before it is applied in memory, and applied in memory before anything is sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import inf

from fleetfold_master.events import JobEnded
from fleetfold_master.jobs import job_rows
from fleetfold_master.jobs.action_concurrency import ConcurrencyLimit
from fleetfold_master.jobs.command_dispatch import SENT_AT_ONCE, CommandSender, is_permanent, next_resend, send_batch
from fleetfold_master.jobs.due_queue import DueQueue
from fleetfold_master.jobs.job_engine_options import JobOptions
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.jobs.job_spill import MOST_IN_MEMORY, JobSpill, SpilledJob
from fleetfold_master.jobs.rollout import Begin, Pause, Stop, decide
from fleetfold_master.jobs.task import Ending, Task, command_id
from fleetfold_master.jobs.waiters import CompletionWaiters
from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.database import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import batches
from fleetfold_shared.errors import Conflict, Unavailable

__all__ = ["JobEngine"]

_Ends = Sequence[tuple[Task, Ending]]


class JobEngine:
    """The jobs that are `running`, and every change to them. `rolling` are those with targets that have not begun,
    except those queued for a slot; `away` holds the jobs that wait for a node's return. `endings` is notified of
    each end."""

    def __init__(self, store: Store, sender: CommandSender, clock: Clock, options: JobOptions) -> None:
        self._store, self._sender, self._clock, self._publish = store, sender, clock, options.publish
        self._at_end, self._dead_letters_for = options.at_end, options.dead_letters_for
        self.running: dict[str, RunningJob] = {}
        self.rolling: dict[str, RunningJob] = {}
        self.away: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self.due_queue = DueQueue()
        self.slots = ConcurrencyLimit(options.share_of)
        self.endings = CompletionWaiters()
        self.spill = JobSpill()

    def take_over(self, job: RunningJob) -> None:
        """Take over a committed job in its present state. Its open commands hold slots already."""
        self.running[job.id] = job
        if job.action in self.slots:
            self.slots.hold_open_commands(job)
        if job.begun < len(job.tasks):
            self.rolling[job.id] = job
        self.plan(job)

    def spill_job(self, job: RunningJob) -> None:
        """Move a waiting job to disk if too many are in memory; only its id and due time stay."""
        [task] = job.tasks
        self.spill.put(SpilledJob(task.deadline_at, job.id, task.node, task.stored))
        self.running.pop(job.id, None)
        self.due_queue.forget(job.id)
        self.away[task.node].pop(job.id, None)

    def may_spill(self, job: RunningJob) -> bool:
        """Whether the job may be spilled: it waits for a single absent node, is not watched, and holds no slot."""
        if len(self.running) <= MOST_IN_MEMORY or len(job.tasks) > 1 or job.action in self.slots:
            return False
        [task] = job.tasks
        watched = job.watchers or job.waiting or job.cancelling is not None
        return task.open and task.due_at == inf and task.progress is None and not watched

    def plan(self, job: RunningJob, tasks: Sequence[Task] | None = None) -> None:
        """Schedule the next look at the job, for all its tasks or for these."""
        open_tasks = (task for task in (job.tasks if tasks is None else tasks) if task.open)
        at = min((min(task.due_at, task.deadline_at) for task in open_tasks), default=inf)
        if at < inf and job.id in self.running:
            self.due_queue.put(job.id, at)

    def hold_all(self, action: str) -> None:
        """Make all open commands of the action hold slots: the action has just been limited."""
        for job in (job for job in self.running.values() if job.action == action):
            self.slots.hold_open_commands(job)

    async def settle(self, job: RunningJob, endings: _Ends, *more: Write) -> None:
        """Commit how tasks ended; then start tasks that wait for the slots freed."""
        await self._commit(job, endings, *more)
        if job.begun < len(job.tasks):
            await self.advance(job)
        if job.action in self.slots:
            await self.grant_free_slots(job.action)

    async def advance(self, job: RunningJob) -> None:
        """Begin the tasks that may begin now."""
        while tasks := await self._begin_next(job):
            if not await self.send(job, tasks):
                return

    async def grant_free_slots(self, action: str) -> None:
        """Give free slots to the jobs that have waited longest."""
        while (key := self.slots.next(action)) is not None:
            if key in self.running:
                await self.advance(self.running[key])
            else:
                self.slots.leave(action, key)

    async def send(self, job: RunningJob, tasks: Sequence[Task]) -> bool:
        """Send commands in batches. Returns True if some can never be sent, and have ended. Commands that cannot be
        sent for now are sent by the sweep."""
        refused: list[tuple[Task, Ending]] = []
        for batch in batches(tasks, SENT_AT_ONCE):
            batch = [task for task in batch if task.open and job.cancelling is None]
            errors = await send_batch(self._sender, [job.outgoing(task) for task in batch]) if batch else []
            for task, error in zip(batch, errors, strict=True):
                if is_permanent(error):
                    refused.append((task, Ending("rejected", answered=True, error=error.message, code=error.code)))
                else:
                    task.note_sent(error)
            if any(errors) and any(isinstance(error, Unavailable) for error in errors):
                break  # the sender is unavailable for the others: the sweep tries again, and need not wait for each
        if refused:
            await self._commit(job, refused)
        return bool(refused)

    async def resend(self, job: RunningJob, tasks: Sequence[Task], now: float) -> None:
        """Send unanswered commands again, as their next attempt."""
        if not tasks or job.cancelling is not None:
            return
        await self._store.write(job_rows.resend(job.id, tasks))
        for task in tasks:
            task.attempt += 1
            task.due_at = next_resend(task.began_at or now, now)
        if await self.send(job, tasks):
            await self.advance(job)

    async def cancel(self, job: RunningJob, by: str) -> None:
        """Commit a cancellation by `by`, which ends the tasks that have not begun. Raises `Conflict` if the job has
        ended."""
        async with job.turn:
            if job.id not in self.running:
                raise Conflict(f"id: {job.id!r} has ended; there is nothing to cancel", field="id")
            if job.cancelling is not None:
                return
            never = Ending("rejected", answered=True, error=f"cancelled by {by} before it began")
            job.cancelling = by
            try:
                await self._commit(job, [(task, never) for task in job.unbegun()], job_rows.cancel(job.id, by))
            except BaseException:
                job.cancelling = None
                raise
            job.cancelled_by = by
            self.rolling.pop(job.id, None)
            self.slots.leave(job.action, job.id)
            job.changed()

    async def discard(self, job: RunningJob) -> None:
        """Delete a job none of whose commands was accepted by the broker."""
        await self._store.write(*job_rows.drop(job.id))
        never = Ending("rejected", answered=True, error="its queue was full")
        for task in job.tasks:
            job.end_task(task, never)
        self.slots.settle(job, [(task, never) for task in job.tasks])
        self._finish(job, self._clock.wall())
        job.changed()

    async def _commit(self, job: RunningJob, endings: _Ends, *more: Write) -> None:
        """Commit how tasks ended, and the job's end if it is complete; then apply both in memory."""
        endings = [(task, ending) for task, ending in endings if task.takes(ending)]
        if not endings and not more:
            return
        now = self._clock.wall()
        for task, ending in endings:
            job.write(task, ending)
        writes = [*more, job_rows.settle(job.id, endings)]
        dead = [each for task, end in endings for each in self._dead_letters_for(job, task.node, end, now)]
        writes += [write for write, _ in dead]
        if job.complete:
            writes += [job_rows.end(job.id, job.verdict(), now), *self._at_end(job, now)]
        try:
            await self._store.write(*writes)
            for task, ending in endings:
                job.end_task(task, ending)
        finally:
            for task, ending in endings:
                job.abort_write(task, ending)
        self.slots.settle(job, endings)
        has_ended = self._finish(job, now)
        job.changed()
        for _, event in dead:
            self._publish(event)
        if has_ended:
            self._publish(JobEnded(job.id, job.action, job.caller, job.verdict()))

    def _finish(self, job: RunningJob, now: float) -> bool:
        """Let a job go whose last task has ended. Returns whether it has ended just now."""
        if job.ended_at is not None or job.ended < len(job.tasks):
            return False
        job.end(now)
        self.running.pop(job.id, None)
        self.rolling.pop(job.id, None)
        self.due_queue.forget(job.id)
        self.slots.leave(job.action, job.id)
        self.endings.tell(job.id, job.view)
        if self.away:
            for node in [task.node for task in job.tasks if task.due_at == inf]:
                self.away[node].pop(job.id, None)
        return True

    async def _begin_next(self, job: RunningJob) -> Sequence[Task]:
        """Commit which tasks begin now, or why none does. Returns the tasks to send."""
        async with job.turn:
            if job.id not in self.running or job.cancelling is not None:
                return []
            now = self._clock.wall()
            verdict = decide(job.plan, job.standing(), now)
            if isinstance(verdict, Begin):
                return await self._begin(job, job.tasks[job.begun : verdict.upto], now)
            self.slots.leave(job.action, job.id)
            if isinstance(verdict, Pause):
                await self._pause(job, verdict.until)
            elif isinstance(verdict, Stop):
                await self._stop(job, verdict.why)
            return []

    async def _begin(self, job: RunningJob, tasks: Sequence[Task], now: float) -> Sequence[Task]:
        commands = [command_id(job.id, task.node) for task in tasks]
        granted = self.slots.take(job.action, job.id, commands)
        if tasks := tasks[:granted]:
            try:
                await self._store.write(job_rows.begin(job.id, tasks, now))
            except BaseException:
                self.slots.free(job.action, commands[:granted])
                raise
            job.begin(tasks, now)
        if job.begun == len(job.tasks) or self.slots.is_waiting(job.action, job.id):
            self.rolling.pop(job.id, None)
        else:
            self.rolling[job.id] = job
        if tasks:
            self.plan(job, tasks)
            job.changed()
        return tasks

    async def _pause(self, job: RunningJob, until: float) -> None:
        """Commit the end of the pause once, so that it survives this master. Only a clock that was set back changes
        it."""
        if job.resume_at is None:
            await self._store.write(job_rows.set_pause(job.id, job.tasks[job.begun], until))
        job.resume_at = until

    async def _stop(self, job: RunningJob, why: str) -> None:
        never = Ending("rejected", answered=True, error=f"not started: {why}")
        job.note = why
        try:
            await self._commit(job, [(task, never) for task in job.unbegun()], job_rows.explain(job.id, why))
        except BaseException:
            job.note = None
            raise
        self.rolling.pop(job.id, None)
