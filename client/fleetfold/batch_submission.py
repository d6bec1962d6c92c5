"""Submission of thousands of runs with hundreds in progress: none is lost or done twice, and memory stays bounded.

A batch consists of three concurrent activities: runs are read, as long as there is room; they are sent, as many as
possible per request; and their ends are waited for, hundreds in one request.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from fleetfold.name_lists import listed
from fleetfold.request_retry import AWAY, BACKOFF, ReconnectPolicy, SendRequest, now
from fleetfold_shared import verbs
from fleetfold_shared.errors import ErrorBody, InvalidInput, NotFound, TooLarge
from fleetfold_shared.messages import (
    MOST_RUNS,
    JobEnd,
    JobEndsRequest,
    JobNode,
    JobState,
    Run,
    RunAccepted,
    Submit,
    decode,
)
from fleetfold_shared.values import encode_exactly

__all__ = ["PATIENCE_S", "WINDOW", "Submission", "SubmitOutcome"]

WINDOW = 1000
PATIENCE_S = 300.0
REQUEST_BYTES = 512 * 1024
WAIT_S, ENDED_S, SUBMIT_S = 2.0, 6.0, 10.0
"""How long one request waits for ends, and until when requests must be answered: a master that dies answers none."""
MOST_IDS = 1000
WAITERS = 4
"""Requests that wait for ends at the same time: what was accepted later need not wait for what takes long."""
AWAY_CODES = frozenset(kind.code for kind in AWAY)


class SubmitOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of the run `id`, the one at `index` (from 0) of those submitted: the `state` of its job and of its
    nodes, or the `error` for which there is no job. `targets` is the number of nodes.
    """

    index: int
    id: str
    state: JobState | None = None
    targets: int = 0
    nodes: list[JobNode] = []
    note: str | None = None
    error: ErrorBody | None = None


@dataclass(slots=True, eq=False)
class _SubmittedRun:
    """A run in progress. It is sent at `due_at`, for the first time or again, until a master accepts it."""

    index: int
    run: Run
    size: int
    since: float
    due_at: float
    tries: int = 0


class Submission:
    """One batch. A run has a place in the window from reading until its outcome has been consumed."""

    def __init__(self, ask: SendRequest, window: int, patience_s: float, *, wait: bool) -> None:
        if window < 1:
            raise InvalidInput("window: it must be 1 or more", field="window")
        self._ask, self._patience_s, self._wait = ReconnectPolicy(ask, patience_s), patience_s, wait
        self._room = asyncio.Semaphore(window)
        self._outcomes: asyncio.Queue[SubmitOutcome | None] = asyncio.Queue()
        self._news, self._changed = asyncio.Event(), asyncio.Condition()
        self._to_send: list[_SubmittedRun] = []
        self._open: dict[str, list[_SubmittedRun]] = {}
        self._waited_for: set[str] = set()
        self._all_read = self._all_sent = False
        self._request_bytes = REQUEST_BYTES

    async def outcomes(self, runs: Iterable[Run] | AsyncIterable[Run]) -> AsyncGenerator[SubmitOutcome, None]:
        """The outcome of each run, as it ends."""
        work = asyncio.create_task(self._work(runs))
        work.add_done_callback(lambda _: self._outcomes.put_nowait(None))
        try:
            while (outcome := await self._outcomes.get()) is not None:
                yield outcome
                self._room.release()
            await work
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _work(self, runs: Iterable[Run] | AsyncIterable[Run]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(runs))
            tasks.create_task(self._send_all())
            for _ in range(WAITERS if self._wait else 0):
                tasks.create_task(self._wait_for_all())

    async def _read(self, runs: Iterable[Run] | AsyncIterable[Run]) -> None:
        index = 0
        async for run in _each(runs):
            await self._room.acquire()
            self._take(index, run)
            index += 1
            self._news.set()
        self._all_read = True
        self._news.set()

    def _take(self, index: int, run: Run) -> None:
        """Reject a run that cannot be encoded, so that it does not fail the others of its request."""
        try:
            run = replace(run, nodes=listed(run.nodes, "nodes"))
            data = encode_exactly(run)
            decode(data, Run)
        except InvalidInput as error:
            self._outcomes.put_nowait(SubmitOutcome(index=index, id=run.id, error=error.body()))
            return
        at = now()
        self._to_send.append(_SubmittedRun(index, run, len(data), at, at))

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _send_all(self) -> None:
        while self._to_send or not self._all_read:
            if chunk := self._next_chunk():
                await self._send(chunk)
            else:
                await self._until_some_are_due()
        self._all_sent = True
        await self._tell()

    async def _until_some_are_due(self) -> None:
        """Wait until some are due, or further ones are read."""
        self._news.clear()
        pauses = [given.due_at - now() for given in self._to_send]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(pauses)) if pauses else None):
                await self._news.wait()

    def _next_chunk(self) -> list[_SubmittedRun]:
        """The due runs, as many as one request may carry."""
        at, left = now(), self._request_bytes
        chunk, rest = list[_SubmittedRun](), list[_SubmittedRun]()
        for given in self._to_send:
            fits = given.due_at <= at and len(chunk) < MOST_RUNS and (given.size < left or not chunk)
            (chunk if fits else rest).append(given)
            left -= given.size if fits else 0
        self._to_send = rest
        return chunk

    async def _send(self, chunk: list[_SubmittedRun]) -> None:
        try:
            answer = await self._ask(verbs.actions.SUBMIT, Submit(runs=[given.run for given in chunk]), SUBMIT_S)
        except TooLarge as error:
            self._too_large(chunk, error)
            return
        for given, accepted in zip(chunk, answer.runs, strict=True):
            self._accepted(given, accepted)
        await self._tell()

    def _too_large(self, chunk: list[_SubmittedRun], error: TooLarge) -> None:
        """Reduce the request size: this broker's message limit is lower than most."""
        if len(chunk) == 1:
            self._refused(chunk[0], error.body())
            return
        self._request_bytes = sum(given.size for given in chunk) // 2
        self._to_send = chunk + self._to_send

    def _accepted(self, given: _SubmittedRun, accepted: RunAccepted) -> None:
        if accepted.error is not None:
            self._not_accepted(given, accepted.error)
        elif self._wait and accepted.state != "checked":
            self._open.setdefault(given.run.id, []).append(given)
        else:
            outcome = SubmitOutcome(index=given.index, id=given.run.id, state=accepted.state, targets=accepted.nodes)
            self._outcomes.put_nowait(outcome)

    def _not_accepted(self, given: _SubmittedRun, error: ErrorBody) -> None:
        """Repeat temporary errors for a while; all others are final."""
        at = now()
        if error.code not in AWAY_CODES or at - given.since > self._patience_s:
            self._refused(given, error)
            return
        given.tries += 1
        given.due_at = at + BACKOFF.delay_s(given.tries, error.retry_after_s)
        self._to_send.append(given)

    def _refused(self, given: _SubmittedRun, error: ErrorBody) -> None:
        self._outcomes.put_nowait(SubmitOutcome(index=given.index, id=given.run.id, error=error))

    async def _wait_for_all(self) -> None:
        """One of several waiters, each for other jobs."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._unwaited() or self._over())
                ids = self._unwaited()[:MOST_IDS]
                if not ids:
                    return
                self._waited_for.update(ids)
            ask = JobEndsRequest(ids=ids, wait_ms=round(WAIT_S * 1000))
            ends = await self._ask(verbs.jobs.ENDED, ask, ENDED_S)
            self._waited_for.difference_update(ids)
            for end in ends.ended:
                self._ended(end)
            for key in ends.unknown:
                self._lost(key)
            await self._tell()

    def _unwaited(self) -> list[str]:
        return [key for key in self._open if key not in self._waited_for]

    def _over(self) -> bool:
        return self._all_sent and not self._open

    def _ended(self, end: JobEnd) -> None:
        for given in self._open.pop(end.id, ()):
            outcome = SubmitOutcome(
                index=given.index, id=end.id, state=end.state, targets=len(end.nodes), nodes=end.nodes, note=end.note
            )
            self._outcomes.put_nowait(outcome)

    def _lost(self, key: str) -> None:
        error = NotFound(f"id: the job {key!r} is not kept any more, or not for this identity to see", field="id")
        for given in self._open.pop(key, ()):
            self._refused(given, error.body())


async def _each(runs: Iterable[Run] | AsyncIterable[Run]) -> AsyncGenerator[Run, None]:
    if isinstance(runs, AsyncIterable):
        async for run in runs:
            yield run
    else:
        for run in runs:
            yield run
