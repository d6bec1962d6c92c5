"""A stream of results that is full: nodes keep what they have to tell, and nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_broker.jetstream import confirmed_publisher
from fleetfold_broker.jetstream.topology import RESULTS
from fleetfold_shared import verbs
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.messages import Run
from support.broker import jetstream, queued
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]

LITTLE = LimitsConfig(results_bytes=1024**2)
RUNS, SIZE = 8, 200_000
"""Twice as much as there is room for."""


@pytest.fixture
async def narrow(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A fleet with little room for results, and a node that soon tries again."""
    monkeypatch.setattr(confirmed_publisher, "STORED_WITHIN_S", 0.2)
    # it would end the pause of the consumer
    monkeypatch.setattr("fleetfold_master.runtime.periodic_tasks.SAVE_S", 3600.0)
    monkeypatch.setattr("fleetfold_master.master.LimitsConfig", lambda: LITTLE)
    await fleet.stop_master()
    await fleet.start_master()
    await fleet.start_child("shop")
    return fleet


async def test_results_that_find_no_room_come_when_there_is_some(narrow: Fleet) -> None:
    async with narrow.masters_bus() as bus:
        await jetstream(bus, f"CONSUMER.PAUSE.{RESULTS}.masters", pause_until="2100-01-01T00:00:00Z")
        jobs = [Run(id=f"r{n}", action="tell", params={"size": SIZE}, nodes=["shop"]) for n in range(RUNS)]
        for run in jobs:
            await narrow.client._caller.ask(verbs.actions.RUN, run)

        async def full() -> bool:
            return await queued(bus, RESULTS) >= 3 and (await _unsent(narrow)) >= 3

        await eventually(full, 60.0)
        await jetstream(bus, f"CONSUMER.PAUSE.{RESULTS}.masters", pause_until="0001-01-01T00:00:00Z")
    ended = await asyncio.gather(*(narrow.client.jobs.wait(run.id, 120) for run in jobs))
    assert [(job.state, job.nodes[0].outcome, len(job.nodes[0].result)) for job in ended] == [("ok", "ok", SIZE)] * RUNS


async def _unsent(fleet: Fleet) -> int:
    """How many results the node has, and the broker does not."""
    child = fleet.children["shop"]
    assert child._node is not None
    return len(await child._node._ledger.unpublished())
