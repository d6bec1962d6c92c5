"""Watching of a job: a stream of its states; changes in quick succession are joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from fleetfold_master.jobs.database_polling import until_next_look
from fleetfold_master.jobs.job_model import RunningJob
from fleetfold_shared.concurrency import ends_within
from fleetfold_shared.messages import Job

__all__ = ["changes_of", "stored_changes"]

PAUSE_S = 0.1
"""Pause in seconds between two states; longer for a job of many nodes, whose state is large."""
NODES_A_PAUSE = 500
LOOK_S = 0.5
"""Interval in seconds at which a job of another master is read."""


async def changes_of(job: RunningJob, timeout_s: float) -> AsyncGenerator[Job, None]:
    """The states of a running job of this master, until it has ended or `timeout_s` is over."""
    clock = asyncio.get_running_loop().time
    until, pause_s = clock() + timeout_s, PAUSE_S * (1 + len(job.tasks) // NODES_A_PAUSE)
    with job.watched() as news:
        while True:
            news.clear()
            yield (sent := job.view())
            if sent.state != "running":
                return
            if not await ends_within(until - clock(), news.wait()):
                return
            if job.ended_at is None:
                await asyncio.sleep(min(pause_s, max(0.0, until - clock())))


async def stored_changes(
    read: Callable[[str], Awaitable[Job]], key: str, timeout_s: float
) -> AsyncGenerator[Job, None]:
    """The states of a job that has ended or belongs to another master, read from its rows."""
    clock = asyncio.get_running_loop().time
    until, sent = clock() + timeout_s, None
    while True:
        if (job := await read(key)) != sent:
            sent = job
            yield job
        if job.state != "running" or clock() >= until:
            return
        await until_next_look(LOOK_S, until - clock())
