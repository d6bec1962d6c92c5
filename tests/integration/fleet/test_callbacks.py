"""Who asked for it is told of an end: by an event, by a webhook, whatever has died meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial

import msgspec
import pytest
from msgspec.structs import replace

from fleetfold.client import Client
from fleetfold.resources.events import OwnEvent
from fleetfold_master.outbox import publisher
from fleetfold_master.transactions import TransactionOptions
from fleetfold_master.transactions.model import Policy
from fleetfold_master.webhooks.webhook_signing import FILE
from fleetfold_shared import verbs
from fleetfold_shared.config import CallbacksConfig
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Alert, Callback, Job, Rollback, Run, StepSpec
from support.broker import listen, queued
from support.inprocess import Fleet, fleet
from support.receiver import receiving
from support.wait import eventually

__all__ = ["fleet"]


def _run(callback: Callback, job: str = "j1", **more: object) -> Run:
    params = {"tx": "t", **more}
    return Run(id=job, action="enter", params=params, nodes=["shop"], callback=callback, wait_ms=5000)


def _step(**params: object) -> StepSpec:
    return StepSpec(name="a", node="shop", action="enter", params={"tx": "t", "step": "a", **params})


@asynccontextmanager
async def hearing(client: Client) -> AsyncIterator[list[OwnEvent]]:
    """A list that fills with the events of a caller; surely from now on."""
    heard: list[OwnEvent] = []
    ready = asyncio.Event()

    async def hear() -> None:
        async with aclosing(client.events.follow()) as events:
            ready.set()
            async for event in events:
                heard.append(event)

    task = asyncio.create_task(hear())
    await ready.wait()
    await client._caller.bus.connection.barrier()
    yield heard
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _allow(fleet: Fleet, *places: str) -> None:
    fleet.callbacks = CallbacksConfig(allow=list(places))
    await fleet.stop_master()
    await fleet.start_master()


async def test_a_caller_is_told_of_its_jobs_end_under_its_own_name(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    async with hearing(fleet.client) as heard, hearing(await fleet.new_client("other")) as others:
        job = await fleet.client._caller.ask(verbs.actions.RUN, _run(Callback(type="stock.entered")))
        await eventually(lambda: len(heard) == 1)
        assert heard[0].type == "stock.entered"
        assert msgspec.convert(heard[0].data, Job) == await fleet.client.jobs.get(job.id)
        assert heard[0].data["state"] == "ok"
        assert others == []
    async with fleet.masters_bus() as bus:
        assert await queued(bus, "FLEET_EVT") == 1


async def test_a_webhook_is_told_signed_with_the_fleets_own_secret(fleet: Fleet) -> None:
    async with receiving("500", "204") as receiver:
        await _allow(fleet, receiver.place)
        assert (fleet.place / "keys" / FILE).read_text().startswith("whsec_")
        await fleet.start_child("shop")
        await fleet.client._caller.ask(verbs.actions.RUN, _run(Callback(url=f"{receiver.place}/done"), mood="refuse"))
        await eventually(lambda: len(receiver.bodies) == 2)
    first, second = receiver.told
    assert first == second
    assert (first["type"], first["data"]["id"], first["data"]["state"]) == ("job.ended", "j1", "failed")
    assert len({headers["webhook-id"] for headers in receiver.headers}) == 1


async def test_a_webhook_to_elsewhere_is_refused_before_anything_begins(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    elsewhere = Callback(url="https://hooks.example.org/done")
    for asked in (
        fleet.client._caller.ask(verbs.actions.RUN, _run(elsewhere)),
        fleet.client.transact([_step()], callback=elsewhere),
    ):
        with pytest.raises(InvalidInput, match=r"\[callbacks\]: allow = .*hooks\.example\.org") as refused:
            await asked
        assert refused.value.field == "callback.url"
    assert await fleet.client.jobs.list() == []
    assert await fleet.client.transactions.list() == []


@pytest.mark.parametrize(("mood", "state"), [("calm", "committed"), ("refuse", "rolled_back")])
async def test_a_transactions_end_is_told(fleet: Fleet, mood: str, state: str) -> None:
    await fleet.start_child("shop")
    async with receiving() as receiver:
        await _allow(fleet, receiver.place)
        view = await fleet.client.transact([_step(mood=mood)], callback=Callback(url=receiver.place))
        await eventually(lambda: len(receiver.bodies) == 1)
    assert view.state == state
    assert receiver.told[0]["type"] == f"transaction.{state}"
    assert [step["state"] for step in receiver.told[0]["data"]["steps"]] == [step.state for step in view.steps]
    assert receiver.told[0]["data"]["timeline"]


async def test_a_parked_transaction_is_an_alert_that_says_what_to_do(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its caller is told that it is parked, then how an operator ended it."""
    await fleet.stop_master()
    impatient = partial(TransactionOptions, policy=Policy(max_tries=1))
    monkeypatch.setattr("fleetfold_master.runtime.engines.TransactionOptions", impatient)
    await fleet.start_master()
    await fleet.start_child("shop")
    steps = [replace(_step(), rollback=Rollback("stumble")), replace(_step(mood="refuse"), name="b")]
    async with fleet.masters_bus() as bus, receiving() as receiver:
        await _allow(fleet, receiver.place)
        alerts = await listen(bus, "fleet.notify.master.>")
        stuck = (await fleet.client.transact(steps, callback=Callback(url=receiver.place))).id
        await eventually(lambda: len(alerts) == 1 and len(receiver.bodies) == 1)
        assert alerts[0].subject == "fleet.notify.master.transaction.parked"
        alert = msgspec.json.decode(alerts[0].data, type=Alert)
        assert (alert.id, alert.caller, alert.to_do) == (stuck, "tester", f"fleetfold tx show {stuck}")
        assert alert.why.startswith("a: failed: ")
        await fleet.client.transactions.resolve(stuck, "rolled_back", "by hand")
        await eventually(lambda: len(receiver.bodies) == 2)
        assert [told["type"] for told in receiver.told] == ["transaction.parked", "transaction.rolled_back"]
        assert len(alerts) == 1


async def test_what_was_to_be_told_when_the_master_died_is_told_by_the_next(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "CLAIM_S", 1.0)
    await fleet.start_child("shop")
    async with receiving("hang", "204") as receiver:
        await _allow(fleet, receiver.place)
        await fleet.client._caller.ask(verbs.actions.RUN, _run(Callback(url=receiver.place)))
        await eventually(lambda: len(receiver.bodies) == 1)  # it is being told, and never will have been
        await fleet.stop_master()
        await fleet.start_master()
        await eventually(lambda: len(receiver.bodies) == 2)
    assert receiver.told[0] == receiver.told[1]


async def test_a_job_without_a_callback_writes_nothing_more(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    async with hearing(fleet.client) as heard:
        assert (await fleet.client.run("enter", {"tx": "t"}, nodes=["shop"])).state == "ok"
        assert (await fleet.client.transact([_step()])).state == "committed"
        assert heard == []
    async with fleet.masters_bus() as bus:
        assert await queued(bus, "FLEET_EVT") == 0
