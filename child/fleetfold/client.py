"""`Client`: for any program that wants to search the fleet or publish commands on its bus."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeVar

from fleetfold.state import find_url
from fleetfold_broker.bus import Bus
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.errors import DeadlineExceeded, Unavailable
from fleetfold_shared.ids import check_slug, new_id
from fleetfold_shared.messages import (
    Filter,
    Job,
    JobGet,
    JobList,
    JobListed,
    JobWait,
    Message,
    NodeGet,
    NodeList,
    NodeListed,
    NodePing,
    NodePinged,
    NodeRecord,
    NodeRemove,
    NodeRemoved,
    NodeStats,
    NodeStatsAsk,
    NodeUpdate,
    Run,
    Search,
    Searched,
    StepSpec,
    Transact,
    TransactionGet,
    TransactionList,
    TransactionListed,
    TransactionView,
    TransactionWait,
)  # fmt: skip

__all__ = ["Client"]

T = TypeVar("T", bound=Message)

ANSWER_S = 10.0
LONG_POLL_S = 5.0
START_S = 3.0
RETRY_S = 0.2


class Client:
    """A caller of the fleet. `async with await Client.connect() as fleet: await fleet.search("tent")`.

    All methods raise `fleetfold.errors.FleetfoldError`: `InvalidInput` and `NotFound` for the caller's mistakes,
    `Unavailable` when no broker or master answers, `DeadlineExceeded` when time is over.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    @classmethod
    async def connect(cls, url: str | None = None, *, name: str = "client", prefix: str = "fleet") -> Self:
        """Connect as `name`. Without `url`: `$FLEETFOLD_URL`, else the fleet that `fleetfold up` started here."""
        check_slug(name, "name")
        return cls(await Bus.connect(find_url(url), name, Subjects(prefix)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Part from the broker."""
        await self._bus.close()

    async def nodes(self, *, removed: bool = False) -> list[NodeRecord]:
        """The nodes by name; with `removed` also those that were taken out."""
        return (await self._ask("nodes.list", NodeList(all=removed), NodeListed)).nodes

    async def node(self, name: str) -> NodeRecord:
        """One node."""
        return await self._ask("nodes.get", NodeGet(node=name), NodeRecord)

    async def update_node(self, change: NodeUpdate) -> NodeRecord:
        """Set a node's state, title, labels or weight."""
        return await self._ask("nodes.update", change, NodeRecord)

    async def remove_node(self, name: str) -> None:
        """Take a node out of the fleet; its name may return."""
        await self._ask("nodes.remove", NodeRemove(node=name), NodeRemoved)

    async def ping(self, *names: str, timeout_s: float = 1.0) -> dict[str, float | None]:
        """Milliseconds to each named node, or to all; `None` for one that did not answer within `timeout_s`."""
        ask = NodePing(nodes=list(names), timeout_ms=round(timeout_s * 1000))
        return (await self._ask("nodes.ping", ask, NodePinged, timeout_s + ANSWER_S)).ms

    async def stats(self) -> NodeStats:
        """The fleet in figures."""
        return await self._ask("nodes.stats", NodeStatsAsk(), NodeStats)

    async def search(
        self,
        query: str,
        *,
        limit: int = 10,
        threshold: float | None = None,
        nodes: Sequence[str] = (),
        collections: Sequence[str] = (),
        filter: Filter | None = None,  # noqa: A002 (the field's name everywhere else)
        timeout_s: float = 2.0,
    ) -> Searched:
        """The best `limit` (1-100) hits of the whole fleet, or of the `nodes` and `collections` named."""
        ask = Search(
            query=query, limit=limit, threshold=threshold, nodes=list(nodes), collections=list(collections),
            filter=filter, timeout_ms=round(timeout_s * 1000),
        )  # fmt: skip
        return await self._ask("search.query", ask, Searched, timeout_s + ANSWER_S)

    async def run(
        self,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        nodes: Sequence[str] = (),
        all: bool = False,  # noqa: A002 (as in `--all`)
        sequential: bool = False,
        timeout_s: float = 60.0,
        wait: bool = True,
        id: str | None = None,  # noqa: A002
    ) -> Job:
        """Run `action` on `nodes` or on all of them; the job when it has ended, or with `wait=False` as it started.

        The same `id` is the same job, so a call may be repeated. It is a durable command: a master that dies
        meanwhile is waited for.
        """
        job_id = id or new_id()
        ask = Run(
            id=job_id, action=action, params=dict(params or {}), nodes=list(nodes), all=all, sequential=sequential,
            timeout_s=timeout_s, wait_ms=_wait_ms(timeout_s) if wait else 0,
        )  # fmt: skip
        job = await self._start("actions.run", ask, Job, timeout_s)
        return await self.wait_job(job_id, timeout_s + ANSWER_S) if wait and job.state == "running" else job

    async def job(self, id: str) -> Job:  # noqa: A002
        """One job as it stands."""
        return await self._ask("jobs.get", JobGet(id=id), Job)

    async def jobs(self, limit: int = 50) -> list[Job]:
        """The latest jobs, newest first."""
        return (await self._ask("jobs.list", JobList(limit=limit), JobListed)).jobs

    async def wait_job(self, id: str, timeout_s: float) -> Job:  # noqa: A002
        """The job when it has ended; `DeadlineExceeded` after `timeout_s`. Survives a master's restart."""
        ask = JobWait(id=id, wait_ms=_wait_ms(timeout_s))
        return await self._until_ended("jobs.wait", ask, Job, {"running"}, timeout_s)

    async def transact(
        self,
        steps: Sequence[StepSpec],
        *,
        name: str = "",
        wait: bool = True,
        timeout_s: float = 300.0,
        id: str | None = None,  # noqa: A002
    ) -> TransactionView:
        """Run `steps` all or nothing; the transaction when it has ended, or with `wait=False` as it started.

        The same `id` is the same transaction, so a call may be repeated. `timeout_s` bounds the waiting, not the
        transaction.
        """
        tx_id = id or new_id()
        ask = Transact(id=tx_id, steps=list(steps), name=name, wait_ms=_wait_ms(timeout_s) if wait else 0)
        view = await self._start("tx.run", ask, TransactionView, timeout_s)
        return await self.wait_transaction(tx_id, timeout_s) if wait and view.ended_at is None else view

    async def transaction(self, id: str) -> TransactionView:  # noqa: A002
        """One transaction as it stands, with its timeline."""
        return await self._ask("tx.get", TransactionGet(id=id), TransactionView)

    async def transactions(self, limit: int = 50) -> list[TransactionView]:
        """The latest transactions, newest first."""
        return (await self._ask("tx.list", TransactionList(limit=limit), TransactionListed)).transactions

    async def wait_transaction(self, id: str, timeout_s: float) -> TransactionView:  # noqa: A002
        """The transaction when it has ended or is parked; `DeadlineExceeded` after `timeout_s`."""
        ask = TransactionWait(id=id, wait_ms=_wait_ms(timeout_s))
        return await self._until_ended("tx.wait", ask, TransactionView, {"running", "compensating"}, timeout_s)

    async def _ask(self, verb: str, ask: Message, kind: type[T], timeout_s: float = ANSWER_S) -> T:
        subject = self._bus.subjects.api(self._bus.caller, verb)
        try:
            return await self._bus.request(subject, ask, kind, timeout_s)
        except Unavailable as error:
            if "no responders" not in error.message:
                raise
            raise Unavailable(
                "no master answers on this bus: start one with `fleetfold up` or `fleetfold master`"
            ) from None

    async def _start(self, verb: str, ask: Message, kind: type[T], timeout_s: float) -> T:
        """Ask for something that its id makes safe to ask twice: once a master may have it, an answer that went missing
        is asked for again, whoever is away meanwhile.
        """
        loop, link = asyncio.get_running_loop(), self._bus.link
        deadline, sent = loop.time() + timeout_s, False
        while True:
            was_up = link.is_up
            try:
                return await self._ask(verb, ask, kind, LONG_POLL_S + START_S)
            except (Unavailable, DeadlineExceeded) as error:
                sent = sent or isinstance(error, DeadlineExceeded) or (was_up and not link.is_up)
                if not sent or loop.time() > deadline:
                    raise
            await asyncio.sleep(RETRY_S)

    async def _until_ended(self, verb: str, ask: Message, kind: type[T], going_on: set[str], timeout_s: float) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            try:
                record = await self._ask(verb, ask, kind, LONG_POLL_S + ANSWER_S)
            except (Unavailable, DeadlineExceeded):  # the master or the broker is away: what it accepted goes on
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(RETRY_S)
                continue
            if getattr(record, "state") not in going_on:  # noqa: B009 (both kinds have it)
                return record
            if loop.time() > deadline:
                raise DeadlineExceeded(f"{getattr(ask, 'id')} has not ended within {timeout_s:g} s; it goes on")  # noqa: B009


def _wait_ms(timeout_s: float) -> int:
    return round(min(timeout_s, LONG_POLL_S) * 1000)
