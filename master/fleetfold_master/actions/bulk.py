"""Waiting for many jobs at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from typing import NamedTuple

from fleetfold_master.actions.endings import Watch
from fleetfold_master.actions.jobs import Jobs
from fleetfold_shared.messages import Job

__all__ = ["Ends", "ended_of"]

LINGER_S = 0.02
"""After the first end, for those that come together with it."""
ELSEWHERE_S = 0.5
"""How often a job is looked at that another master runs."""


class Ends(NamedTuple):
    """Jobs that have ended, and the ids that there are no jobs of."""

    ended: list[Job]
    unknown: list[str]


async def ended_of(jobs: Jobs, keys: Collection[str], timeout_s: float) -> Ends:
    """Which of these jobs have ended: as soon as one of them has, or is found not to exist; or after `timeout_s`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    keys = list(dict.fromkeys(keys))
    with jobs.endings.watch(keys) as watch:  # before the first look: no end falls in between
        while True:
            found = await _look(jobs, keys, watch)
            left_s = deadline - loop.time()
            if found.ended or found.unknown or left_s <= 0:
                return found
            here = all(map(jobs.runs_here, keys))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s if here else min(left_s, ELSEWHERE_S)):
                    await watch.some.wait()
                await asyncio.sleep(LINGER_S)


async def _look(jobs: Jobs, keys: Iterable[str], watch: Watch) -> Ends:
    """Those that ended while they were watched are at hand; the others are read."""
    gone = [key for key in keys if key not in watch.ended and not jobs.runs_here(key)]
    read = {job.id: job for job in await jobs.read(gone)} if gone else {}
    ended = [*watch.ended.values(), *(job for job in read.values() if job.state != "running")]
    return Ends(ended, [key for key in gone if key not in read and key not in watch.ended])
