"""Jobs: an action on one node, several or all, until each has answered or its time limit is over.

Each change is committed before it is visible, sent or acknowledged, so a job survives the death of the master.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from math import inf

from fleetfold_master.jobs import job_reads, job_rows
from fleetfold_master.jobs.action_concurrency import LEASE_S
from fleetfold_master.jobs.command_cancellation import Cancellations
from fleetfold_master.jobs.command_dispatch import CommandSender, NodeHealth
from fleetfold_master.jobs.database_polling import poll_until_ended
from fleetfold_master.jobs.job_engine import JobEngine
from fleetfold_master.jobs.job_engine_options import JobOptions
from fleetfold_master.jobs.job_model import RunningJob, digest_of
from fleetfold_master.jobs.job_watch import changes_of, stored_changes
from fleetfold_master.jobs.loading import JobLoading
from fleetfold_master.jobs.sweeper import Sweeper
from fleetfold_master.jobs.task import command_id, parse_command_id
from fleetfold_master.jobs.task_results import TaskResults
from fleetfold_master.jobs.waiters import CompletionWaiters
from fleetfold_master.store.database import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import UncancelledTasks
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound, Overloaded, Unavailable
from fleetfold_shared.messages import CommandResult, Job, JobList, Run

__all__ = ["Jobs"]

_GRACE_S = 5.0  # after a restart, the results of the meantime are read first


class Jobs:
    """All jobs of this master. `results` takes what nodes report of their tasks. The owner calls `recover` once,
    `sweep` every half second, `results.save_progress` every other second, and `close`.

    Without `cancellations`, commands are not withdrawn from their nodes' queues.
    """

    def __init__(
        self, store: Store, sender: CommandSender, clock: Clock, health: NodeHealth, options: JobOptions | None = None,
        *, cancellations: Cancellations | None = None,
    ) -> None:  # fmt: skip
        options = options or JobOptions()
        self._owner = options.owner
        self._store = store
        self._clock = clock
        self._engine = JobEngine(store, sender, clock, options)
        self._uncancelled = UncancelledTasks()
        self.results = TaskResults(store, clock, self._engine, self._uncancelled, options, cancellations)
        self._cancellations = cancellations
        self._loading = JobLoading(store, clock, self._engine, options.owner, self._continue, self._uncancelled)
        self._sweep = Sweeper(self._engine, health, cancellations, self._loading.all)
        self._slots_of = options.slots_of

    async def start(self, run: Run, targets: Sequence[str], caller: str, role: str = "") -> Job:
        """Start a job on `targets`, once: the same id again returns the same job, or raises `Conflict` for other
        content.

        Returns when the job is committed and its first commands have been handed to the sender. The action and its
        parameters must have been checked. Raises `Overloaded` if its only node's queue is full: then there is no
        job.
        """
        if not targets:
            raise InvalidInput("nodes: there is no node to run on; name one, or start one", field="nodes")
        return await self._start(run, targets, caller, role)

    async def cancel(self, key: str, by: str) -> Job:
        """Cancel a job on behalf of `by`, and return its present state. Tasks that have not begun never will; begun
        ones continue until their node has stopped them or reports their end. Idempotent. Raises `NotFound`, or
        `Conflict` if it has ended."""
        await self._loading.one(key)
        job = self._engine.running.get(key)
        if job is None:
            if (await self.get(key)).state == "running":
                raise Unavailable(f"id: {key!r} is in no master's hands for now; ask again")
            raise Conflict(f"id: {key!r} has ended; there is nothing to cancel", field="id")
        await self._uncancelled.run(self._engine.cancel(job, by))
        self._withdraw(job)
        return job.view()

    async def on_result(self, node: str, result: CommandResult) -> bool:
        """Process a node's result; once this returns it is committed and may be acknowledged.

        Returns False if the result belongs to no job here. A duplicate changes nothing.
        """
        if self._engine.spill and (address := parse_command_id(result.id)) is not None:
            await self._loading.one(address[0])
        return await self.results.result(node, result)

    async def get(self, key: str) -> Job:
        """The job's present state. Raises `NotFound`."""
        running = self._engine.running.get(key)
        if running is not None:
            return running.view()
        found = await job_reads.read_jobs(self._store, key=key)
        if not found:
            raise NotFound(f"id: there is no job {key!r}; list them with `jobs list`", field="id")
        return found[0]

    async def list(self, limit: int = 50, of: JobList | None = None) -> list[Job]:
        """The newest jobs that match `of`, newest first."""
        return await job_reads.read_jobs(self._store, limit=limit, of=of)

    async def wait(self, key: str, timeout_s: float) -> Job:
        """The job when it has ended, or its state after `timeout_s`."""
        running = self._engine.running.get(key)
        if running is None:
            return await poll_until_ended(partial(self.get, key), timeout_s)
        await running.until_ended(timeout_s)
        return running.view()

    @property
    def endings(self) -> CompletionWaiters:
        """The waiters for ends of many jobs."""
        return self._engine.endings

    def owns(self, key: str) -> bool:
        """Whether the job is running and this master owns it."""
        return key in self._engine.running

    async def fetch(self, key: str) -> bool:
        """Load a spilled job back into memory. Returns False if it was not spilled, or has ended."""
        return await self._loading.one(key)

    async def owner_of(self, key: str) -> str | None:
        """The master that owns the job; None if it has ended or does not exist."""
        return await job_reads.read_owner(self._store, key)

    async def changes(self, key: str, timeout_s: float) -> AsyncGenerator[Job, None]:
        """The job's state now and after each change, at most ten a second, until it has ended or `timeout_s` is over.
        Raises `NotFound`."""
        running = self._engine.running.get(key)
        following = stored_changes(self.get, key, timeout_s) if running is None else changes_of(running, timeout_s)
        async for job in following:
            yield job

    async def recover(self, keys: Sequence[str] | None = None) -> None:
        """Resume jobs of an earlier master, or those of them in `keys`. Unanswered commands are sent again by the next
        sweeps, except cancelled ones, which are cancelled again."""
        now = self._clock.wall()
        left = await self._loading.left() if keys is None else keys
        for job in await job_reads.load_running(self._store, self._owner, left):
            if job.id not in self._engine.running:
                await self._take_over(job, now)

    async def sweep(self) -> None:
        """End overdue tasks, send unanswered commands again, and begin the tasks that are due. A later answer still
        replaces the outcome of a task that was given up."""
        await self._uncancelled.run(self._sweep.once(self._clock.wall()))

    async def resend_all(self) -> None:
        """Send every unanswered command again: the broker has lost them."""
        await self._uncancelled.run(self._sweep.resend_all(self._clock.wall()))

    async def close(self) -> None:
        """Wait for the writes in progress. Jobs are resumed at the next start."""
        await self._uncancelled.close()

    async def _start(self, run: Run, targets: Sequence[str], caller: str, role: str) -> Job:
        await self._limit(run.action, targets)
        held = run.action in self._engine.slots
        job = RunningJob.of(run, targets, caller, self._clock.wall(), held=held, role=role)
        if run.id in self._engine.running or not await self._store.claim(*job_rows.claim(job, self._owner)):
            return await self._existing(run, caller)
        self._engine.take_over(job)
        if held or await self._engine.send(job, job.tasks[: job.begun]):
            await self._engine.advance(job)
        if len(job.tasks) == 1 and job.tasks[0].refused is not None:
            await self._engine.discard(job)
            raise _overloaded(job.tasks[0].node)
        return job.view()

    async def _take_over(self, job: RunningJob, now: float) -> None:
        for task in job.open_tasks():
            task.due_at = now
            task.deadline_at = max((task.began_at or now) + job.time_limit_s, now + _GRACE_S)
        await self._limit(job.action, [task.node for task in job.tasks])
        self._continue(job)

    def _continue(self, job: RunningJob) -> None:
        self._engine.take_over(job)
        self._withdraw(job)

    async def _existing(self, run: Run, caller: str) -> Job:
        running = self._engine.running.get(run.id)
        digest = running.digest if running else await job_reads.read_digest(self._store, run.id)
        if digest != digest_of(run, caller):
            raise Conflict(f"id: {run.id!r} is another job; choose a new id", field="id")
        return await self.get(run.id)

    async def _limit(self, action: str, targets: Sequence[str]) -> None:
        """Apply the action's concurrency limit, if it has one. The first time, commands already open are counted."""
        limit, slots = self._slots_of(action, targets), self._engine.slots
        if limit is None and action not in slots:
            return
        if slots.open(action, limit):
            await self._uncancelled.run(self._hold_open_commands(action))

    async def _hold_open_commands(self, action: str) -> None:
        for abandoned in await job_reads.read_abandoned(self._store, action, self._clock.wall() - LEASE_S):
            self._engine.slots.hold(action, abandoned.command, abandoned.deadline_at + LEASE_S)
        self._engine.hold_all(action)

    def _withdraw(self, job: RunningJob) -> None:
        """Cancel the commands of a cancelled job that were sent."""
        if self._cancellations is None or job.cancelled_by is None:
            return
        for task in job.open_tasks():
            ids, since = [command_id(job.id, task.node)], task.began_at or 0.0
            self._cancellations.cancel(task.node, ids, job.cancelled_by, since=since, give_up_after_s=inf)


def _overloaded(node: str) -> Overloaded:
    return Overloaded(
        f"nodes: the queue of {node!r} is full, and nothing was begun; wait until it has caught up "
        f"(`fleetfold nodes show {node}`), or cancel what is queued for it"
    )
