"""Client calls about running jobs: cancelling and following."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fleetfold.caller import ANSWER_S, Caller, pause_s
from fleetfold_broker.rpc.streamed_reply import in_parts
from fleetfold_shared.errors import DeadlineExceeded, Overloaded, RateLimited, Unavailable
from fleetfold_shared.messages import Job, JobCancel, JobFollow, decode
from fleetfold_shared.values import encode_exactly

__all__ = ["JobCalls"]

FOLLOW_S = 30.0
"""Seconds that one request follows a job; then it is repeated."""
SILENCE_S = 10.0
"""Seconds of silence after which the master counts as absent; it sends a sign of life every second."""


class JobCalls(Caller):
    """Running jobs."""

    async def cancel_job(self, id: str) -> Job:  # noqa: A002
        """Stop a job: what has not begun never will, what runs is told to stop. The job as it stands then, which goes
        on until every node has answered; asked twice, it is the same. `Conflict` when it has ended.
        """
        return await self._ask("jobs.cancel", JobCancel(id=id), Job)

    async def follow_job(self, id: str) -> AsyncGenerator[Job, None]:  # noqa: A002
        """The job as it stands and then at each change, progress included, at most ten a second; it ends when the job
        does. Waits for a broker or a master that is away. `NotFound`; leave it with `aclosing`, or to its end.
        """
        told: Job | None = None
        while told is None or told.state == "running":
            try:
                async with aclosing(self._changes(id)) as changes:
                    async for job in changes:
                        if job != told:
                            told = job
                            yield job
            except (Unavailable, DeadlineExceeded, Overloaded, RateLimited) as error:
                await asyncio.sleep(pause_s(error))

    async def _changes(self, key: str) -> AsyncGenerator[Job, None]:
        """The states that one request delivers."""
        subject = self._bus.subjects.api(self._bus.caller, "jobs.follow")
        ask = JobFollow(id=key, wait_ms=round(FOLLOW_S * 1000))
        async with aclosing(in_parts(self._bus, subject, encode_exactly(ask), FOLLOW_S + ANSWER_S, SILENCE_S)) as parts:
            async for part in parts:
                if part.last:
                    self._note_limit(part.headers)
                yield decode(part.data, Job)
