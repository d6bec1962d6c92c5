"""Handles of jobs and transactions: waiting, following and cancelling by an id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from fleetfold.client import Client
from fleetfold.resources.jobs import JobHandle
from fleetfold.resources.transactions import TransactionHandle
from fleetfold_broker.rpc.streamed_reply import ReplyPart
from fleetfold_shared.errors import DeadlineExceeded
from fleetfold_shared.messages import (
    Job,
    JobNode,
    Message,
    StepSpec,
    TimelineEntry,
    TransactionNews,
    TransactionView,
    encode,
)  # fmt: skip
from support.recording import AnsweringBus, sent

STEPS = [StepSpec(name="a", node="shop", action="reserve")]


def job(state: Any = "running") -> Job:
    outcome = None if state == "running" else "ok"
    nodes = [JobNode("shop", outcome)]
    return Job(id="j1", action="sync", params={}, state=state, nodes=nodes, caller="ann", created_at=1.0)


def transaction(state: Any = "running") -> TransactionView:
    ended = None if state == "running" else 2.0
    return TransactionView(
        id="t1", name="", state=state, steps=[], timeline=[], caller="ann", created_at=1.0, ended_at=ended
    )


def client(*answers: Message | Exception) -> tuple[Client, AnsweringBus]:
    bus = AnsweringBus(*answers)
    return Client(bus), bus  # type: ignore[arg-type]


def stream(monkeypatch: pytest.MonkeyPatch, *parts: Message) -> None:
    async def in_parts(*_: object) -> AsyncGenerator[ReplyPart, None]:
        for number, part in enumerate(parts, 1):
            yield ReplyPart(encode(part), number == len(parts), {})

    monkeypatch.setattr("fleetfold.caller.in_parts", in_parts)


async def test_a_detached_run_returns_a_handle_once_the_job_is_stored() -> None:
    ann, bus = client(job(), job(), job("ok"))
    handle = await ann.run("sync", nodes="shop", id="j1", detach=True)
    assert isinstance(handle, JobHandle)
    assert (handle.id, bus.verbs) == ("j1", ["actions.run"])
    assert (await handle.get()).state == "running"
    assert (await handle.result()).state == "ok"
    assert bus.verbs == ["actions.run", "jobs.get", "jobs.wait"]


async def test_a_run_that_is_waited_for_returns_the_job_at_its_end() -> None:
    ann, bus = client(job(), job("partly"))
    assert (await ann.run("sync", nodes="shop")).state == "partly"
    assert bus.verbs == ["actions.run", "jobs.wait"]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_the_result_of_a_job_is_the_job_however_it_ends(state: str) -> None:
    ann, _ = client(job(state))
    assert (await ann.jobs.handle("j1").result()).state == state


async def test_a_result_that_is_late_is_an_error_that_names_the_job() -> None:
    ann, _ = client(job())
    with pytest.raises(DeadlineExceeded, match="j1 has not ended within 0 s; it goes on"):
        await ann.jobs.handle("j1").result(timeout_s=0.0)


async def test_a_result_without_a_limit_is_waited_for_again_and_again() -> None:
    ann, bus = client(*[job()] * 20, job("ok"))
    assert (await ann.jobs.handle("j1").result()).state == "ok"
    assert bus.verbs == ["jobs.wait"] * 21


async def test_whoever_stops_waiting_for_a_result_cancels_nothing() -> None:
    ann, bus = client(*[job()] * 3)
    waiting = asyncio.create_task(ann.jobs.handle("j1").result())
    await bus.asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert set(bus.verbs) == {"jobs.wait"}


async def test_a_handle_of_a_job_cancels_it() -> None:
    verb, _ = await sent(lambda ann: ann.jobs.handle("j1").cancel())
    assert verb == "jobs.cancel"


async def test_following_a_job_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream(monkeypatch, job(), job(), job("ok"))
    ann, _ = client()
    assert [state.state async for state in ann.jobs.handle("j1").follow()] == ["running", "ok"]


async def test_a_detached_transaction_returns_a_handle() -> None:
    ann, bus = client(transaction(), transaction(), transaction("rolled_back"))
    handle = await ann.transact(STEPS, id="t1", detach=True)
    assert isinstance(handle, TransactionHandle)
    assert (handle.id, bus.verbs) == ("t1", ["transactions.run"])
    assert (await handle.get()).state == "running"
    assert (await handle.result()).state == "rolled_back"
    assert bus.verbs == ["transactions.run", "transactions.get", "transactions.wait"]


@pytest.mark.parametrize("state", ["parked", "committed"])
async def test_the_result_of_a_transaction_is_the_transaction_however_it_ends(state: str) -> None:
    ann, _ = client(transaction(state))
    assert (await ann.transactions.handle("t1").result()).state == state


async def test_a_transaction_that_is_late_is_an_error_that_names_it() -> None:
    ann, _ = client(transaction())
    with pytest.raises(DeadlineExceeded, match="t1 has not ended within 0 s; it goes on"):
        await ann.transactions.handle("t1").result(timeout_s=0.0)


async def test_following_a_transaction_yields_its_entries_and_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [TimelineEntry(1.0, "accepted", None, "requested by ann"), TimelineEntry(2.0, "committed", None, "")]
    stream(monkeypatch, TransactionNews(state="running", entries=entries, seq=2), transaction("committed"))
    ann, _ = client()
    news = [one async for one in ann.transactions.handle("t1").follow(after=1)]
    assert news == [entries[1], transaction("committed")]


@pytest.mark.parametrize(
    ("verb", "call"),
    [
        ("transactions.cancel", lambda tx: tx.cancel(why="no")),
        ("transactions.retry", lambda tx: tx.retry("a")),
        ("transactions.skip", lambda tx: tx.skip("a", "done by hand")),
        ("transactions.resolve", lambda tx: tx.resolve("committed", "done by hand")),
    ],
)
async def test_a_handle_of_a_transaction_has_the_operators_commands(verb: str, call: Any) -> None:
    assert (await sent(lambda ann: call(ann.transactions.handle("t1"))))[0] == verb


def test_a_handle_shows_what_it_is_of() -> None:
    ann, _ = client()
    assert repr(ann.jobs.handle("j1")) == "JobHandle('j1')"
    assert repr(ann.transactions.handle("t1")) == "TransactionHandle('t1')"
