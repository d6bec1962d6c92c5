"""Loading of jobs from disk into memory: what an earlier master left, and spilled jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf

from fleetfold_master.jobs import job_reads
from fleetfold_master.jobs.command_dispatch import RESEND_MAX_S
from fleetfold_master.jobs.job_engine import JobEngine
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_master.jobs.job_spill import MOST_IN_MEMORY, SpilledJob
from fleetfold_master.store.database import Store
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import UncancelledTasks

__all__ = ["JobLoading"]

AT_ONCE = 500
"""How many jobs are loaded with the one that is needed: the others will be needed soon."""


class JobLoading:
    """Loads the jobs of `owner`, or of all. `take_over` is called with each loaded job."""

    def __init__(
        self, store: Store, clock: Clock, engine: JobEngine, owner: str | None, take_over: Callable[[RunningJob], None],
        uncancelled: UncancelledTasks,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._engine, self._owner = store, clock, engine, owner
        self._take_over, self._uncancelled = take_over, uncancelled
        self._turn = asyncio.Lock()

    async def left(self) -> list[str]:
        """The ids of all jobs that have not ended, oldest first; those beyond `MOST_IN_MEMORY` are spilled instead."""
        unfinished = await job_reads.read_unfinished(self._store, self._owner)
        for row in unfinished[MOST_IN_MEMORY:]:
            over_at = row["created_at"] + row["timeout_s"]
            self._engine.spill.put(SpilledJob(over_at, row["id"], row["node"], stored=False))
        return [row["id"] for row in unfinished[:MOST_IN_MEMORY]]

    async def one(self, key: str) -> bool:
        """Load a spilled job, and with it the next ones that wait for its node. Returns False if it was not spilled,
        or has ended."""
        running = self._engine.running
        if not self._engine.spill or key in running:
            return False
        async with self._turn:  # a node that is back answers thousands at once: read further jobs along with this one
            if key in running:
                return True
            if not self._engine.spill or await job_reads.read_owner(self._store, key) != self._owner:
                return False
            [node, *_] = await job_reads.read_nodes(self._store, key)
            entries = [SpilledJob(inf, key, node, stored=True), *self._engine.spill.of(node, AT_ONCE - 1)]
            await self._uncancelled.run(self.all(entries))
        return key in running

    async def all(self, entries: Sequence[SpilledJob]) -> None:
        """Load these jobs. Commands that the broker has stored are not sent again for a while: it delivers them.

        If reading fails, the jobs are spilled again.
        """
        stored = {entry.key: entry.stored for entry in entries if entry.key not in self._engine.running}
        try:
            jobs = await job_reads.load_running(self._store, self._owner, list(stored))
        except BaseException:
            for entry in entries:
                self._engine.spill.put(entry)
            raise
        now = self._clock.wall()
        for job in (job for job in jobs if job.id not in self._engine.running):
            for task in job.open_tasks():
                task.stored = stored[job.id]
                task.due_at = now + RESEND_MAX_S if task.stored else now
                task.deadline_at = (task.began_at or now) + job.time_limit_s
            self._take_over(job)
