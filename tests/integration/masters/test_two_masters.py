"""Two masters in one process, on one database and one broker: callers and nodes cannot tell which of them they meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fleetfold_master.master import Master
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]


@pytest.fixture
async def other(fleet: Fleet) -> AsyncIterator[Master]:
    """The second one, which both know of."""
    async with fleet.another_master() as other:
        await eventually(lambda: bool(others(other)) and bool(others(first(fleet))))
        yield other


def first(fleet: Fleet) -> Master:
    assert fleet.master is not None
    return fleet.master


def others(master: Master) -> frozenset[str]:
    return master._membership.others


async def test_jobs_are_run_to_their_end_whoever_is_asked_and_whoever_gets_the_results(
    fleet: Fleet, other: Master
) -> None:
    await fleet.start_child("shop")
    jobs = await asyncio.gather(
        *(fleet.client.run("enter", {"tx": f"t{n}"}, nodes=["shop"], id=f"j{n}") for n in range(40))
    )
    assert {job.state for job in jobs} == {"ok"}
    assert len(fleet.effects("shop")) == 40
