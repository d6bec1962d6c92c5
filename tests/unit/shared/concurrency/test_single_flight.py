"""Equal questions at the same time are asked once, and nobody depends on another's patience."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_shared.concurrency import SingleFlight


class Work:
    """What is asked; it ends when it is told to."""

    def __init__(self) -> None:
        self.times = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> str:
        self.times += 1
        await self.may_end.wait()
        return "done"


def soon(seconds: float = 10.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_those_who_come_meanwhile_get_what_the_first_brings() -> None:
    flights, work = SingleFlight[str](), Work()
    leading = flights.lead("k", soon(), asyncio.create_task(work()))
    await asyncio.sleep(0)
    follow = flights.following("k", soon())
    assert follow is not None
    assert flights.following("other", soon()) is None
    work.may_end.set()
    assert (await leading, await follow(), work.times) == ("done", "done", 1)
    assert flights.following("k", soon()) is None


async def test_a_leader_that_is_cancelled_leaves_the_others_their_answer() -> None:
    flights, work = SingleFlight[str](), Work()
    leading = flights.lead("k", soon(), asyncio.create_task(work()))
    await asyncio.sleep(0)
    follow = flights.following("k", soon())
    assert follow is not None
    leading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leading
    work.may_end.set()
    assert await follow() == "done"


async def test_a_follower_waits_no_longer_than_its_own_deadline() -> None:
    flights, work = SingleFlight[str](), Work()
    leading = flights.lead("k", soon(0.001), asyncio.create_task(work()))
    await asyncio.sleep(0)
    follow = flights.following("k", soon(0.002))
    assert follow is not None
    assert await follow() is None
    work.may_end.set()
    assert await leading == "done"


async def test_nobody_follows_one_who_has_more_time() -> None:
    flights, work = SingleFlight[str](), Work()
    leading = flights.lead("k", soon(20.0), asyncio.create_task(work()))
    await asyncio.sleep(0)
    assert flights.following("k", soon(10.0)) is None
    work.may_end.set()
    await leading


async def test_a_failure_is_the_leaders_alone() -> None:
    flights = SingleFlight[str]()

    async def fail() -> str:
        await asyncio.sleep(0)
        raise ValueError("no")

    leading = flights.lead("k", soon(), asyncio.create_task(fail()))
    await asyncio.sleep(0)
    follow = flights.following("k", soon())
    assert follow is not None
    assert await follow() is None
    with pytest.raises(ValueError, match="no"):
        await leading


async def test_what_is_under_way_ends_with_the_owner() -> None:
    flights, work = SingleFlight[str](), Work()
    leading = flights.lead("k", soon(), asyncio.create_task(work()))
    await asyncio.sleep(0)
    await flights.close()
    with pytest.raises(asyncio.CancelledError):
        await leading
