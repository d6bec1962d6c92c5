"""Bulk queries over jobs: which ids exist already, and which jobs have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import func, select

from fleetfold_master.jobs import job_reads
from fleetfold_master.jobs.job_model import digest_of
from fleetfold_master.jobs.jobs import Jobs
from fleetfold_master.jobs.waiters import Watch
from fleetfold_master.store.database import Store
from fleetfold_master.store.tables import job, job_node
from fleetfold_shared.concurrency import ends_within
from fleetfold_shared.messages import Job, JobState, Run

__all__ = ["BulkReads", "EndedJobs", "StartedJob"]

LINGER_S = 0.02
"""Seconds to wait after the first end, so that further ends are returned with it."""
ELSEWHERE_S = 0.5
"""Interval in seconds at which jobs of other masters are read."""

_COUNTED = select(func.count()).where(job_node.c.job == job.c.id).scalar_subquery().label("nodes")
_BEGUN = select(job.c.id, job.c.digest, job.c.state, _COUNTED)


class StartedJob(NamedTuple):
    """A job that was started before."""

    state: JobState
    nodes: int


class EndedJobs(NamedTuple):
    """Jobs that have ended, and ids without a job."""

    ended: list[Job]
    unknown: list[str]


class BulkReads:
    """Bulk reads of jobs of all masters, hundreds in one query."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store, self._jobs = store, jobs

    async def begun(self, runs: Sequence[Run], caller: str) -> list[StartedJob | None]:
        """For each run, the job of its id if the caller has started it before; other callers' jobs do not count."""
        rows = await self._store.read(_BEGUN.where(job.c.id.in_({run.id for run in runs})))
        found = {(row["id"], row["digest"]): StartedJob(row["state"], row["nodes"]) for row in rows}
        return [found.get((run.id, digest_of(run, caller))) if found else None for run in runs]

    async def ended(self, keys: Collection[str], timeout_s: float) -> EndedJobs:
        """Wait until at least one of these has ended or is found not to exist, or for `timeout_s`. Returns all that
        have ended."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        keys = list(dict.fromkeys(keys))
        with self._jobs.endings.watch(keys) as watch:  # before the first read, so that no end is missed in between
            while True:
                found = await self._look(keys, watch)
                left_s = deadline - asyncio.get_running_loop().time()
                if found.ended or found.unknown or left_s <= 0:
                    return found
                here = all(map(self._jobs.owns, keys))
                if await ends_within(left_s if here else min(left_s, ELSEWHERE_S), watch.some.wait()):
                    await asyncio.sleep(LINGER_S)

    async def _look(self, keys: Iterable[str], watch: Watch) -> EndedJobs:
        """Views of the ended jobs: those that ended while watched come from memory, the others are read."""
        gone = [key for key in keys if key not in watch.ended and not self._jobs.owns(key)]
        read = {job.id: job for job in await job_reads.read_many(self._store, gone)} if gone else {}
        ended = [*watch.ended.values(), *(job for job in read.values() if job.state != "running")]
        return EndedJobs(ended, [key for key in gone if key not in read and key not in watch.ended])
