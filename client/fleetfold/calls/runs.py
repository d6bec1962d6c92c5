"""Client calls that run actions: on named or matching nodes, at once or batch by batch."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from typing import Any, Literal

from fleetfold.caller import ANSWER_S, Caller, wait_ms
from fleetfold.names import Names, listed
from fleetfold.submission import PATIENCE_S, WINDOW, Submission, SubmitOutcome
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Callback, Job, JobWait, RetryPolicy, Run
from fleetfold_shared.quantity import share_of

__all__ = ["RunCalls", "patience_s"]


class RunCalls(Caller):
    """Actions."""

    async def run(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        nodes: Names = (),
        all: bool = False,  # noqa: A002 (as in `--all`)
        sequential: bool = False,
        timeout_s: float = 60.0,
        wait: bool = True,
        id: str | None = None,  # noqa: A002
        where: str | None = None,
        any: bool = False,  # noqa: A002
        limit: str | int | None = None,
        seed: int | None = None,
        batch: str | int | None = None,
        pause_s: float = 0.0,
        max_failures: str | int | None = None,
        dry_run: bool = False,
        confirmed: bool = False,
        start_within_s: float | None = None,
        heartbeat_s: float | None = None,
        overall_s: float | None = None,
        retry: RetryPolicy | None = None,
        callback: Callback | None = None,
    ) -> Job:
        """Run `action` on `nodes` (a name, or several), on all of them (`nodes="all"` or `all=True`), or `where` an
        expression holds; the job when it has ended, or with `wait=False` as it started.

        With `any` one of these is enough: the one with least to do. `limit` takes so many of them (`3`, `"10%"`), as
        `seed` has it. `batch` runs on so many at a time, with a pause between, and begins no more when over
        `max_failures` did not end well. `dry_run` begins nothing: the job is `checked` and names the nodes, in their
        order. A destructive action on more than one node that is not named needs `confirmed`.

        The same `id` is the same job, so a call may be repeated. It is a durable command: a master that dies
        meanwhile is waited for.
        """
        ask = Run(
            id=id or new_id(), action=action, params=dict(params or {}), nodes=_named(nodes), all=all,
            sequential=sequential, timeout_s=timeout_s, wait_ms=wait_ms(timeout_s) if wait else 0, where=where, any=any,
            limit=_share(limit), seed=seed, batch=_share(batch), pause_s=pause_s, max_failures=_share(max_failures),
            dry_run=dry_run, confirmed=confirmed, start_within_s=start_within_s, heartbeat_s=heartbeat_s,
            overall_s=overall_s, retry=retry, callback=callback,
        )  # fmt: skip
        job = await self._start("actions.run", ask, Job, timeout_s)
        if wait and job.state == "running":
            return await self.wait_job(job.id, patience_s(ask, len(job.nodes)) + ANSWER_S)
        return job

    async def wait_job(self, id: str, timeout_s: float) -> Job:  # noqa: A002
        """The job when it has ended; `DeadlineExceeded` after `timeout_s`. Survives a master's restart."""
        ask = JobWait(id=id, wait_ms=wait_ms(timeout_s))
        return await self._until_ended("jobs.wait", ask, Job, {"running"}, timeout_s)

    def submit(
        self,
        runs: Iterable[Run] | AsyncIterable[Run],
        *,
        window: int = WINDOW,
        wait: bool = True,
        patience_s: float = PATIENCE_S,
    ) -> AsyncGenerator[SubmitOutcome, None]:
        """Have thousands of runs done, hundreds in a request; yields how each has ended, in the order of their ends.

            async for outcome in fleet.submit(Run(id=f"b7-{n}", action="ship", nodes=["shop"]) for n in range(9000)):
                print(outcome.id, outcome.state)

        Of the runs that are not over, `window` at the most are under way, and no more are taken from `runs`. Each is a
        job of its own id: those that were done before under that id are not done again, so a batch that broke off is
        resumed by giving it again. Masters that are away and queues that are full are waited for, `patience_s` at the
        most: then a run has the error for its outcome, or the batch fails when no master answers. With `wait=False`
        the outcome is that the run was accepted.
        """
        return Submission(self._ask, window, patience_s, wait=wait).outcomes(runs)


def patience_s(run: Run, nodes: int) -> float:
    """How long a job on so many nodes may take in all, if each uses all the time that it has."""
    one = (run.start_within_s or 0.0) + (run.overall_s or run.timeout_s)
    at_once = 1 if run.sequential else nodes if run.batch is None else max(1, share_of(run.batch, nodes))
    batches = max(1, -(-nodes // max(1, at_once)))
    return batches * one + (batches - 1) * run.pause_s


def _named(nodes: Names) -> list[str] | Literal["all"]:
    """The nodes as they travel: `all` is no name there."""
    if nodes == "all":
        return "all"
    if nodes == "auto":
        raise InvalidInput("nodes: 'auto' is for searches; name the nodes, or say 'all' or any=True", field="nodes")
    return listed(nodes, "nodes")


def _share(share: str | int | None) -> str | None:
    return str(share) if isinstance(share, int) else share
