"""A clock whose hands the test turns."""

from __future__ import annotations

import asyncio
import time

from fleetfold_shared.clock import ManualClock, SystemClock


async def test_sleepers_wake_in_the_order_of_their_time_and_no_earlier() -> None:
    clock, woken = ManualClock(), list[float]()

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3.0, 1.0, 2.0, 9.0)]
    await asyncio.sleep(0)
    clock.advance(0.5)
    await asyncio.sleep(0)
    assert woken == []
    clock.advance(2.5)
    await asyncio.gather(*tasks[:3])
    assert woken == [1.0, 2.0, 3.0]
    clock.advance(6.0)
    await tasks[3]


async def test_a_sleeper_that_gave_up_does_not_stop_the_clock() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1.0))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    clock.advance(2.0)
    assert clock.monotonic() == clock.wall() == 1_000_002.0


async def test_the_machines_clock_is_the_machines() -> None:
    clock = SystemClock()
    before, wall = time.monotonic(), time.time()
    await clock.sleep(0)
    assert before <= clock.monotonic()
    assert abs(clock.wall() - wall) < 60
