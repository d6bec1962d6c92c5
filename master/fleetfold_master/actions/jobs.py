"""Jobs: an action on one node, on several, or on all, until each has answered or its time is over.

Each change is committed before it is seen, sent or acknowledged, so a job goes on after any death of the master.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from fleetfold_broker.tasks import Undisturbed
from fleetfold_master.actions import job_rows
from fleetfold_master.actions.delivery import AtEnd, Health, Sender, next_resend, nothing_more, send_all, together
from fleetfold_master.actions.job_model import (
    Ending,
    RunningJob,
    Task,
    digest_of,
    parse_command_id,
    state_of,
)
from fleetfold_master.actions.looking import look_until_ended
from fleetfold_master.store.database import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import Conflict, FleetfoldError, InvalidInput, NotFound
from fleetfold_shared.messages import CommandResult, Job, Run

__all__ = ["Jobs"]

_GRACE_S = 5.0  # after a restart the answers of the meantime are read first


class Jobs:
    """All jobs of this master. The owner calls `recover` once, `sweep` every half second, and `close`.

    `at_end` is given each `RunningJob` that ends. `owner` is the master that drives them, where there may be several.
    """

    def __init__(
        self, store: Store, sender: Sender, clock: Clock, health: Health, *, at_end: AtEnd = nothing_more,
        owner: str | None = None,
    ) -> None:  # fmt: skip
        self._owner = owner
        self._store = store
        self._sender = sender
        self._clock = clock
        self._health = health
        self._at_end = at_end
        self._running: dict[str, RunningJob] = {}
        self._undisturbed = Undisturbed()
        self._late = asyncio.Lock()

    async def start(self, run: Run, targets: Sequence[str], caller: str) -> Job:
        """Begin a job on `targets`, once: the same id again is the same job, and with other content a `Conflict`.

        Returns when the job is committed and its first commands have been handed to the sender. The action and its
        parameters must have been checked.
        """
        if not targets:
            raise InvalidInput("nodes: there is no node to run on; name one, or start one", field="nodes")
        return await self._undisturbed.run(self._start(run, targets, caller))

    async def on_result(self, node: str, result: CommandResult) -> bool:
        """Take what `node` answered; once this returns it is committed and may be acknowledged.

        False when the result is of no job here. A duplicate changes nothing.
        """
        address = parse_command_id(result.id)
        if address is None or address[1] != node:
            return False
        ending = Ending(result.outcome, answered=True, result=result.result, error=result.error, ms=result.ms)
        job = self._running.get(address[0])
        if job is None:
            return await self._undisturbed.run(self._settle_late(address[0], node, ending))
        task = job.by_node.get(node)
        if task is None:
            return False
        if not task.final:
            await self._undisturbed.run(self._settle(job, task, ending))
        return True

    async def get(self, key: str) -> Job:
        """The job as it stands; `NotFound`."""
        running = self._running.get(key)
        if running is not None:
            return running.view()
        found = await job_rows.read_jobs(self._store, key=key)
        if not found:
            raise NotFound(f"id: there is no job {key!r}; list them with `jobs list`", field="id")
        return found[0]

    async def list(self, limit: int = 50) -> list[Job]:
        """The newest jobs first."""
        return await job_rows.read_jobs(self._store, limit=limit)

    async def wait(self, key: str, timeout_s: float) -> Job:
        """The job when it has ended, or as it is after `timeout_s`."""
        running = self._running.get(key)
        if running is None:
            return await look_until_ended(partial(self.get, key), timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await running.ended.wait()
        except TimeoutError:
            pass
        return running.view()

    def drives(self, key: str) -> bool:
        """Whether this master has the job in hand."""
        return key in self._running

    async def owner_of(self, key: str) -> str | None:
        """The master that drives the job; None if it has ended, or there is none."""
        return await job_rows.read_owner(self._store, key)

    async def recover(self, keys: Sequence[str] | None = None) -> None:
        """Take up what an earlier master left, or of that what is in `keys`: everything unanswered is sent again by the
        next sweep.
        """
        now = self._clock.wall()
        for job in await job_rows.load_running(self._store, self._owner, keys):
            if job.id in self._running:
                continue
            for task in job.open_tasks():
                task.due_at = now
                task.deadline_at = max((task.began_at or now) + job.timeout_s, now + _GRACE_S)
            self._running[job.id] = job

    async def sweep(self) -> None:
        """End what is over its time, and send again what is unanswered. A later answer still replaces the former."""
        now = self._clock.wall()
        work = [self._sweep_job(job, now) for job in self._running.values() if _due(job, now)]
        await self._undisturbed.run(together(work))

    async def resend_all(self) -> None:
        """Send every unanswered command again: the broker has lost them."""
        now = self._clock.wall()
        work = [self._resend(job, list(job.open_tasks()), now) for job in self._running.values()]
        await self._undisturbed.run(together(work))

    async def close(self) -> None:
        """Wait for what is being written. Jobs go on at the next start."""
        await self._undisturbed.close()

    async def _start(self, run: Run, targets: Sequence[str], caller: str) -> Job:
        job = RunningJob.of(run, targets, caller, self._clock.wall())
        if run.id in self._running or not await self._store.claim(*job_rows.claim(job, self._owner)):
            return await self._existing(run, caller)
        self._running[job.id] = job
        await self._send(job, [task for task in job.tasks if task.began_at is not None])
        return job.view()

    async def _existing(self, run: Run, caller: str) -> Job:
        running = self._running.get(run.id)
        digest = running.digest if running else await job_rows.read_digest(self._store, run.id)
        if digest != digest_of(run, caller):
            raise Conflict(f"id: {run.id!r} is another job; choose a new id", field="id")
        return await self.get(run.id)

    async def _settle(self, job: RunningJob, task: Task, ending: Ending) -> None:
        """Commit how a task ended; then the next node has its turn, if that is what follows."""
        following = await self._commit(job, task, ending)
        while following is not None:
            refused = await send_all(self._sender, [job.outgoing(following)])
            following = await self._commit(job, following, _never_sent(refused[0][1])) if refused else None

    async def _commit(self, job: RunningJob, task: Task, ending: Ending) -> Task | None:
        """Write and then remember how a task ended, with what follows from it: who is next, or the job's end."""
        if task.final or (task.writing is not None and not ending.answered):
            return None
        now = self._clock.wall()
        following = job.next_task(after=task) if task.open else None
        task.writing = ending
        writes = [job_rows.settle(job.id, task, ending)]
        if following is not None:
            writes.append(job_rows.begin(job.id, following, now))
        if (state := job.verdict()) != "running":
            writes += [job_rows.end(job.id, state, now), *self._at_end(job, now)]
        try:
            await self._store.write(*writes)
        finally:
            task.writing = None if task.writing is ending else task.writing
        task.ending = ending
        if following is not None:
            following.begin(now, job.timeout_s)
        self._finish(job, now)
        return following

    def _finish(self, job: RunningJob, now: float) -> None:
        if job.ended_at is None and all(task.ending for task in job.tasks):
            job.ended_at = now
            self._running.pop(job.id, None)
            job.ended.set()

    async def _settle_late(self, key: str, node: str, ending: Ending) -> bool:
        """An answer to a job that has ended: it replaces `timed_out` or `unreachable`, and nothing else."""
        async with self._late:
            if await self._store.write(job_rows.late_settle(key, node, ending)):
                job = (await job_rows.read_jobs(self._store, key=key))[0]
                state = state_of([each.outcome for each in job.nodes])
                await self._store.write(job_rows.end(key, state, self._clock.wall()))
        return True

    async def _sweep_job(self, job: RunningJob, now: float) -> None:
        if (overlooked := job.next_task()) is not None:  # the write that should have begun it failed
            overlooked.begin(now, job.timeout_s)
            overlooked.due_at = now
        over = [task for task in job.open_tasks() if now >= task.deadline_at]
        due = [task for task in job.open_tasks() if task.due_at <= now < task.deadline_at]
        await together(self._settle(job, task, self._over(job, task)) for task in over)
        # A command to a node that is away is kept by the broker: another copy would only fill its queue.
        await self._resend(job, [task for task in due if self._health.healthy(task.node)], now)

    def _over(self, job: RunningJob, task: Task) -> Ending:
        if self._health.healthy(task.node):
            return Ending("timed_out", answered=False, error=f"no answer within {job.timeout_s:g} s")
        return Ending(
            "unreachable", answered=False, error=f"{task.node} is not there; it will run this when it is back"
        )

    async def _resend(self, job: RunningJob, tasks: Sequence[Task], now: float) -> None:
        if not tasks:
            return
        await self._store.write(job_rows.resend(job.id, tasks))
        for task in tasks:
            task.attempt += 1
            task.due_at = next_resend(task.began_at or now, now)
        await self._send(job, [task for task in tasks if task.open])

    async def _send(self, job: RunningJob, tasks: Iterable[Task]) -> None:
        """Hand commands over; one that can never be sent has ended."""
        for outgoing, error in await send_all(self._sender, [job.outgoing(task) for task in tasks]):
            await self._settle(job, job.by_node[outgoing.node], _never_sent(error))


def _due(job: RunningJob, now: float) -> bool:
    return any(now >= min(task.due_at, task.deadline_at) for task in job.open_tasks()) or job.next_task() is not None


def _never_sent(error: FleetfoldError) -> Ending:
    return Ending("rejected", answered=True, error=error.message)
