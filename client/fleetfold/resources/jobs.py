"""Jobs, and handles to them: `fleet.jobs`."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from fleetfold.caller import ANSWER_S, Caller, pause_s, wait_ms
from fleetfold.name_lists import Names
from fleetfold.run_request import Rollout, RunOptions, Targets, duration_s, run_request
from fleetfold_shared import verbs
from fleetfold_shared.errors import DeadlineExceeded, Overloaded, RateLimited, Unavailable
from fleetfold_shared.messages import (
    Job,
    JobCancel,
    JobFollow,
    JobGet,
    JobList,
    JobState,
    JobWait,
    Run,
    decode,
)

__all__ = ["JobHandle", "Jobs"]

FOLLOW_S = 30.0
"""Seconds that one request follows a job; then it is repeated."""


class Jobs:
    """Jobs: runs of an action, with their outcomes on each node."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(
        self,
        limit: int = 50,
        *,
        state: JobState | None = None,
        action: str | None = None,
        caller: str | None = None,
        since: float | None = None,
    ) -> builtins.list[Job]:
        """List the latest jobs, newest first: those in `state`, of `action`, of `caller`; `since` in Unix seconds."""
        ask = JobList(limit=limit, state=state, action=action, caller=caller, since=since)
        return (await self._caller.ask(verbs.jobs.LIST, ask)).jobs

    async def get(self, id: str) -> Job:
        """Get one job as it stands. Raises `NotFound`."""
        return await self._caller.ask(verbs.jobs.GET, JobGet(id=id))

    def handle(self, id: str) -> JobHandle:
        """Make a handle to the job `id`; nothing is sent."""
        return JobHandle(self, id)

    async def check(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        nodes: Names | Targets = (),
        timeout_s: float = 60.0,
        rollout: Rollout | None = None,
        options: RunOptions | None = None,
    ) -> Job:
        """Check a run as `Client.run` does, and start nothing. The job is `checked`, and names the nodes in order."""
        run = run_request(action, params, nodes=nodes, timeout_s=timeout_s, rollout=rollout, options=options)
        return await self.start(msgspec.structs.replace(run, dry_run=True))

    async def start(self, run: Run) -> Job:
        """Start the job of a `Run` message; the job as it stands after at most `run.wait_ms`.

        Repeated until a master has answered, also while masters are away: the same `run.id` is the same job. For
        `run.timeout_s`, or ten seconds if that is less: it is the nodes' time, not the caller's.
        """
        return await self._caller.ask_idempotent(verbs.actions.RUN, run, max(run.timeout_s, ANSWER_S))

    async def run(self, run: Run) -> Job:
        """Start the job of a `Run` message, and wait until it has ended. Raises `DeadlineExceeded` if it has not after
        the time that all its nodes together may take."""
        job = await self.start(msgspec.structs.replace(run, wait_ms=wait_ms(run.timeout_s)))
        if job.state != "running":
            return job
        return await self.wait(job.id, duration_s(run, len(job.nodes)) + ANSWER_S)

    async def wait(self, id: str, timeout_s: float | None = None) -> Job:
        """Wait until the job has ended, also across a master's restart. Raises `DeadlineExceeded` after `timeout_s`;
        None waits as long as it takes."""
        ask = JobWait(id=id, wait_ms=wait_ms(timeout_s))
        return await self._caller.ask_until_ended(verbs.jobs.WAIT, ask, {"running"}, timeout_s)

    async def cancel(self, id: str) -> Job:
        """Cancel a job: commands that are not yet executing never will be, those that are, are told to stop.

        Returns the job as it stands; it ends when every node has answered. Idempotent. Raises `Conflict` if it has
        ended.
        """
        return await self._caller.ask(verbs.jobs.CANCEL, JobCancel(id=id))

    async def follow(self, id: str) -> AsyncGenerator[Job, None]:
        """Yield the job as it stands, and then at each change, progress included, at most ten a second, until its end.

        A broker or master that is away is waited for. Raises `NotFound`. Leave it with `aclosing`, or at its end.
        """
        latest: Job | None = None
        while latest is None or latest.state == "running":
            try:
                async with aclosing(self._changes(id)) as changes:
                    async for job in changes:
                        if job != latest:
                            latest = job
                            yield job
            except (Unavailable, DeadlineExceeded, Overloaded, RateLimited) as error:
                await asyncio.sleep(pause_s(error))

    async def _changes(self, key: str) -> AsyncGenerator[Job, None]:
        """The states that one request delivers."""
        ask = JobFollow(id=key, wait_ms=round(FOLLOW_S * 1000))
        async with aclosing(self._caller.stream(verbs.jobs.FOLLOW, ask, FOLLOW_S + ANSWER_S)) as parts:
            async for part in parts:
                yield decode(part.data, Job)


class JobHandle:
    """A job that continues without its client: `await job.result()`, `async for state in job.follow()`.

    Made by `fleet.run(..., detach=True)`, or by `fleet.jobs.handle(id)` in any other process.
    """

    def __init__(self, jobs: Jobs, id: str) -> None:
        self._jobs, self.id = jobs, id

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"

    async def result(self, timeout_s: float | None = None) -> Job:
        """Wait until the job has ended, however it ends. Raises `DeadlineExceeded` after `timeout_s`; the job
        continues."""
        return await self._jobs.wait(self.id, timeout_s)

    async def get(self) -> Job:
        """Get the job as it stands."""
        return await self._jobs.get(self.id)

    async def cancel(self) -> Job:
        """Cancel the job, as `Jobs.cancel` does."""
        return await self._jobs.cancel(self.id)

    def follow(self) -> AsyncGenerator[Job, None]:
        """Yield the job at each change until its end, as `Jobs.follow` does."""
        return self._jobs.follow(self.id)
