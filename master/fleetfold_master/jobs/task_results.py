"""Processing of results, progress reports and cancellations of jobs' commands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from fleetfold_master.events import JobRevised, WriteWithEvent
from fleetfold_master.jobs import job_reads, job_rows
from fleetfold_master.jobs.command_cancellation import Cancellations
from fleetfold_master.jobs.job_engine import JobEngine
from fleetfold_master.jobs.job_engine_options import JobOptions
from fleetfold_master.jobs.job_model import RunningJob, state_of
from fleetfold_master.jobs.task import Ending, Task, parse_command_id
from fleetfold_master.nodes import AskAgain
from fleetfold_master.store.database import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import UncancelledTasks, settle_all
from fleetfold_shared.messages import CommandResult, ProgressReport

__all__ = ["TaskResults"]

TOOK_EFFECT = frozenset({"ok", "no_result"})


class TaskResults:
    """Processes them for the engine's running jobs, and for jobs that have ended. Its writes cannot be cancelled."""

    def __init__(
        self, store: Store, clock: Clock, engine: JobEngine, uncancelled: UncancelledTasks, options: JobOptions,
        cancellations: Cancellations | None,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._engine, self._uncancelled = store, clock, engine, uncancelled
        self._cancellations, self._publish = cancellations, options.publish
        self._dead_letters_for, self._at_late_end = options.dead_letters_for, options.at_late_end
        self._refuses, self._ask_again = options.refuses, AskAgain(clock)
        self._reported: dict[str, tuple[RunningJob, Task]] = {}
        self._late = asyncio.Lock()

    async def result(self, node: str, result: CommandResult) -> bool:
        """Process a result. Returns when it is committed; False if it belongs to no job here."""
        address = parse_command_id(result.id)
        if address is None or address[1] != node:
            return False
        job = self._engine.running.get(address[0])
        bettered = job is None and result.outcome in TOOK_EFFECT  # of an ended job: what the master assumed
        if self._refuses(node, result.incarnation, "result") and not bettered:
            return await self._refused(job, node, result)
        ending = Ending(
            result.outcome, answered=True, result=result.result, error=result.error, ms=result.ms, code=result.code,
            starts=result.starts,
        )  # fmt: skip
        if self._cancellations is not None:
            self._cancellations.forget(node, result.id)
        if job is None:
            return await self._uncancelled.run(self._settle_late(address[0], node, result.id, ending))
        task = job.task_of(node)
        if task is None:
            return False
        if not task.final:
            await self._engine.settle(job, [(task, ending)])
        return True

    async def _refused(self, job: RunningJob | None, node: str, result: CommandResult) -> bool:
        """Send the command to the process that has taken the node's name: its ledger decides, whatever the replaced
        one says."""
        task = None if job is None else job.task_of(node)
        if job is not None and task is not None and task.open and self._ask_again.now(result.id):
            await self._uncancelled.run(self._engine.resend(job, [task], self._clock.wall()))
        return True

    def progress(self, node: str, report: ProgressReport) -> bool:
        """Process a progress report. Returns False if its command is not running here."""
        address = parse_command_id(report.id)
        job = None if address is None or address[1] != node else self._engine.running.get(address[0])
        task = None if job is None else job.task_of(node)
        if job is None or task is None or not task.open:
            return False
        task.progress = report.progress
        self._reported[report.id] = (job, task)
        job.changed()
        return True

    async def save_progress(self) -> None:
        """Write the progress reported since the last call; the progress of an ended task is written with its end."""
        reported, self._reported = self._reported, {}
        if changed := [(job.id, task) for job, task in reported.values() if task.open]:
            await self._store.write(job_rows.progress(changed))

    async def withdrawn(self, node: str, wanted: Mapping[str, str]) -> None:
        """End commands that will certainly never begin: ids, each with who cancelled it. Returns when committed."""
        await self._uncancelled.run(settle_all([self._settle_withdrawn(node, key, by) for key, by in wanted.items()]))

    async def _settle_withdrawn(self, node: str, key: str, by: str) -> None:
        address = parse_command_id(key)
        job = None if address is None else self._engine.running.get(address[0])
        task = None if job is None else job.task_of(node)
        if job is not None and task is not None:
            never = Ending("rejected", answered=False, error=f"cancelled by {by} before it began")
            await self._engine.settle(job, [(task, never)])

    async def _settle_late(self, key: str, node: str, command: str, ending: Ending) -> bool:
        """Apply an answer to an ended job: it replaces only an outcome that the master assumed."""
        async with self._late:
            dead = await self._late_dead_letters(key, node, ending)
            if await self._store.write(job_rows.late_settle(key, node, ending), *(write for write, _ in dead)):
                for _, event in dead:
                    self._publish(event)
                await self._revise(key, command)
        return True

    async def _revise(self, key: str, command: str) -> None:
        """Commit the state that an ended job has after a late answer, and free the command's slot."""
        before = (await job_reads.read_jobs(self._store, key=key))[0]
        state = state_of([each.outcome for each in before.nodes], before.cancelled_by)
        now, job = self._clock.wall(), msgspec.structs.replace(before, state=state)
        late = self._at_late_end(job, now) if state != "running" else ()
        await self._store.write(job_rows.end(key, state, now), *late)
        if state != before.state:
            self._publish(JobRevised(key, job.action, job.caller, state))
        self._engine.slots.free(job.action, [command])
        await self._engine.grant_free_slots(job.action)

    async def _late_dead_letters(self, key: str, node: str, ending: Ending) -> Sequence[WriteWithEvent]:
        if not ending.code or not (found := await job_reads.read_jobs(self._store, key=key)):
            return ()
        return self._dead_letters_for(found[0], node, ending, self._clock.wall())
