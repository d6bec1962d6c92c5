"""The broker dies, or forgets what it was given: whatever is in flight still ends, and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fleetfold.client import Client
from fleetfold.resources.jobs import JobHandle
from fleetfold.resources.transactions import TransactionHandle
from fleetfold_broker.bus import Bus
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Job, Rollback, StepSpec, TransactionView
from support.broker import jetstream, kill, queued
from support.inprocess import Fleet, fleet, quick_upkeep, scores
from support.wait import eventually

__all__ = ["fleet", "quick_upkeep"]

STRIKE = Rollback("strike", {"entry": "{{entry}}"})
NODES = ("shop", "blog")


@pytest.fixture
async def pair(quick_upkeep: None, fleet: Fleet) -> Fleet:
    """A shop and a blog, under a master that looks after the broker often."""
    for name in NODES:
        await fleet.start_child(name, {"docs": lambda name=name: [{"id": name, "text": "tent"}]})
    return fleet


@pytest.fixture
async def operator(fleet: Fleet) -> AsyncIterator[Bus]:
    """Somebody who may do anything to the broker's streams."""
    async with fleet.masters_bus() as bus:
        yield bus


class Work:
    """Ten jobs and six transactions, half of which fail at their last step; each effect has a name of its own."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._begun: list[JobHandle] = []
        self._started: list[TransactionHandle] = []
        self.jobs: list[Job] = []
        self.transactions: list[TransactionView] = []

    async def begin(self) -> None:
        for number in range(10):
            params = {"tx": "j", "step": f"j{number}", "seconds": 0.05 * number}
            self._begun.append(await self._client.run("enter", params, nodes=[NODES[number % 2]], detach=True))
        for number in range(6):
            self._started.append(await self._client.transact(_steps(number), detach=True))

    async def end(self) -> None:
        self.jobs = [await job.result(60) for job in self._begun]
        self.transactions = [await tx.result(60) for tx in self._started]

    def check(self, fleet: Fleet) -> None:
        assert [job.state for job in self.jobs] == ["ok"] * 10, self.jobs
        assert [view.state for view in self.transactions] == ["committed", "rolled_back"] * 3
        effects = [effect for name in NODES for effect in fleet.effects(name)]
        wanted = [(f"j{number}", "do") for number in range(10)]
        for number in range(6):
            steps = ["a", "b"] if number % 2 else ["a", "b", "c"]
            wanted += [(f"t{number}{step}", "do") for step in steps]
            wanted += [(f"t{number}{step}", "undo") for step in steps if number % 2]
        assert sorted(effects) == sorted(wanted)


def _steps(number: int) -> list[StepSpec]:
    fails = bool(number % 2)
    return [
        StepSpec(
            name=name, node=NODES[at % 2], action="enter", rollback=STRIKE,
            params={
                "tx": "t", "step": f"t{number}{name}", "seconds": 0.05,
                "mood": "refuse" if fails and name == "c" else "calm",
            },
        )
        for at, name in enumerate("abc")
    ]  # fmt: skip


@pytest.mark.parametrize("streams", [["FLEET_CMD"], ["FLEET_RES"], ["FLEET_CMD", "FLEET_RES"]])
async def test_everything_in_flight_ends_though_the_streams_are_deleted(
    pair: Fleet, operator: Bus, streams: list[str]
) -> None:
    work = Work(pair.client)
    await work.begin()
    for stream in streams:
        await jetstream(operator, f"STREAM.DELETE.{stream}")
    await work.end()
    work.check(pair)


async def test_what_waits_for_a_node_is_sent_again_when_the_stream_is_deleted(
    pair: Fleet, operator: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetfold_master.jobs.task.RESEND_S", 600.0)
    await pair.stop_child("shop")
    params = {"tx": "j", "step": "waiting"}
    job = await pair.client.run("enter", params, nodes=["shop"], timeout_s=600, detach=True)
    assert await queued(operator, "FLEET_CMD") == 1
    await jetstream(operator, "STREAM.DELETE.FLEET_CMD")
    await pair.start_child("shop")
    assert (await pair.client.jobs.wait(job.id, 20)).state == "ok"
    assert pair.effects("shop") == [("waiting", "do")]


async def test_a_nodes_consumer_that_is_deleted_is_made_again(pair: Fleet, operator: Bus) -> None:
    await jetstream(operator, "CONSUMER.DELETE.FLEET_CMD.shop")
    assert (await pair.client.run("doze", {"seconds": 0}, nodes=["shop"])).state == "ok"


async def test_everything_in_flight_ends_though_the_broker_is_killed(pair: Fleet) -> None:
    work = Work(pair.client)
    await work.begin()
    kill(pair.broker)
    await work.end()
    work.check(pair)


async def test_a_caller_that_waits_is_answered_though_the_broker_is_killed(pair: Fleet) -> None:
    params = {"tx": "x", "step": "long", "seconds": 0.5}
    running = asyncio.create_task(pair.client.run("enter", params, nodes=["shop"]))
    going = asyncio.create_task(pair.client.transact(_steps(0)))
    await eventually(lambda: pair.children["shop"]._node.in_flight >= 2)  # type: ignore[union-attr]
    kill(pair.broker)
    assert (await running).state == "ok"
    assert (await going).state == "committed"
    assert pair.effects("shop").count(("long", "do")) == 1


async def test_searches_work_again_after_the_broker_has_been_killed(pair: Fleet) -> None:
    before = await pair.client.search("tent")
    kill(pair.broker)
    await eventually(lambda: pair.broker.restarts == 1)

    async def whole() -> bool:
        try:
            return not (await pair.client.search("tent")).partial
        except Unavailable:
            return False

    await eventually(whole)
    assert scores(await pair.client.search("tent")) == scores(before)


async def test_nothing_is_left_behind_on_the_broker(pair: Fleet, operator: Bus) -> None:
    work = Work(pair.client)
    await work.begin()
    await work.end()

    async def empty() -> bool:
        return await queued(operator, "FLEET_CMD") + await queued(operator, "FLEET_RES") == 0

    await eventually(empty)
