"""Thousands that wait stop nobody: what waits holds no place, and joining and renewing have places of their own."""

from __future__ import annotations

import itertools

import pytest

from fleetfold import Client
from fleetfold_broker.rpc.admission import AdmissionControl
from fleetfold_broker.rpc.headers import RETRY_AFTER, error_of
from fleetfold_broker.subjects import Subjects
from fleetfold_child.enrolment.enrolment_client import BusEnrolmentClient
from fleetfold_master.runtime import api_wiring
from fleetfold_shared import verbs
from fleetfold_shared.config import AccessConfig
from fleetfold_shared.messages import CAPABILITIES, JobFollow, JobWait, Message, Refresh, Run, Tokens, encode
from support.broker import listen
from support.inprocess import Fleet, fleet, statuses
from support.wait import eventually

__all__ = ["fleet"]

WAITING, AT_ONCE = 3000, 200


@pytest.fixture
async def places(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> AdmissionControl:
    """Those of a master that has no rate limits."""
    made = list[AdmissionControl]()

    def make(*given: object, **more: object) -> AdmissionControl:
        made.append(AdmissionControl(*given, **more))  # type: ignore[arg-type]
        return made[-1]

    await fleet.stop_master()
    fleet.access = AccessConfig(reader_per_minute=0, child_per_minute=0)
    with monkeypatch.context() as patch:
        patch.setattr(api_wiring, "AdmissionControl", make)
        await fleet.start_master()
    [places] = made
    return places


NUMBERS = itertools.count()


async def _running(fleet: Fleet) -> str:
    await fleet.start_child("shop", {"products": None})
    return (await fleet.client.run("doze", {"seconds": 600}, nodes=["shop"], detach=True)).id


async def _wait(client: Client, ask: Message, verb: str, number: int) -> None:
    """As a client would that waits for no answer before it asks again."""
    bus = client._caller.bus
    for _ in range(number):
        reply = f"{bus.connection.options.inbox_prefix}.waiting.{next(NUMBERS)}"  # one request has one reply subject
        await bus.connection.publish(bus.subjects.api(bus.caller, verb), encode(ask), reply)


async def test_three_thousand_waiting_requests_of_a_reader_stop_nobody(fleet: Fleet, places: AdmissionControl) -> None:
    job = await _running(fleet)
    reader, other = await fleet.new_client("greedy", "reader"), await fleet.new_client("ann", "reader")
    for held in range(AT_ONCE, WAITING + 1, AT_ONCE):  # as many as may be under way, until they wait
        await _wait(reader, JobWait(id=job, wait_ms=60_000), "jobs.wait", AT_ONCE)
        await eventually(lambda held=held: places.waiting.held["greedy"] == held, 60.0)  # type: ignore[misc]
    assert places.working.held["greedy"] == 0

    assert statuses(await other.search("an oak chair")) == {"shop": "ok"}
    assert [node.name for node in await other.nodes.list()] == ["shop"]
    assert (await reader.jobs.get(job)).state == "running"  # nor does it stop itself
    await fleet.start_child("blog", {"posts": None})  # enrolment, and joining
    await _renew(fleet, "crm")
    await eventually(lambda: _healthy(other, {"shop", "blog"}))
    assert places.waiting.held["greedy"] == WAITING


async def _healthy(client: Client, names: set[str]) -> bool:
    return {node.name for node in await client.nodes.list() if node.healthy} == names


async def _renew(fleet: Fleet, name: str) -> None:
    assert fleet.master is not None
    tokens = await fleet.master._access.sessions.open(name, CAPABILITIES)
    async with BusEnrolmentClient(fleet.broker.url, name, Subjects()).enter(tokens.refresh) as ask:
        renewed = await ask("refresh", Refresh(token=tokens.refresh, attempt="a"), Tokens)
    assert renewed.refresh != tokens.refresh


@pytest.mark.parametrize("verb", ["jobs.wait", "jobs.follow"])
async def test_how_many_may_wait_is_limited_and_said(fleet: Fleet, places: AdmissionControl, verb: str) -> None:
    job = await _running(fleet)
    reader = await fleet.new_client("greedy", "reader")
    bus = reader._caller.bus
    answers = await listen(bus, f"{bus.connection.options.inbox_prefix}.waiting.*")
    ask: Message = JobWait(id=job, wait_ms=60_000) if verb == "jobs.wait" else JobFollow(id=job, wait_ms=60_000)
    places.waiting._most_each = 40
    for number in range(50):  # one after the other: each has begun to wait, or is refused
        await _wait(reader, ask, verb, 1)
        await eventually(lambda number=number: places.waiting.held["greedy"] + len(answers) == number + 1)  # type: ignore[misc]
    assert len(answers) == 10
    error = error_of(answers[0])
    assert (error.code, error.retry_after_s) == ("overloaded", 1.0)
    assert "'greedy' has 40 requests waiting, the most of one identity" in error.message
    assert (answers[0].headers or {})[RETRY_AFTER] == "1.000"
    await fleet.client.jobs.cancel(job)
    await eventually(lambda: places.waiting.total == 0)


async def test_a_run_that_may_not_wait_has_begun_all_the_same(fleet: Fleet, places: AdmissionControl) -> None:
    await _running(fleet)
    places.waiting._most_each = 0
    run = Run(id="r1", action="doze", params={"seconds": 600}, nodes=["shop"], wait_ms=60_000)
    assert (await fleet.client._caller.ask(verbs.actions.RUN, run)).state == "running"
    await fleet.client.jobs.cancel("r1")
