"""Periodic tasks: what is not done while the master's clock is wrong."""

from __future__ import annotations

import asyncio

from fleetfold_master.runtime.periodic_loop import every, on_right_clock
from fleetfold_shared.clock import ManualClock

PAUSE_S = 60.0


async def test_nothing_old_is_deleted_while_the_clock_is_wrong() -> None:
    clock, wrong, rounds = ManualClock(), True, list[bool]()
    tasks = (on_right_clock(lambda: wrong, lambda: rounds.append(wrong)),)
    running = asyncio.create_task(every(clock, PAUSE_S, *tasks))
    for wrong in (True, True, False):  # noqa: B007 (the task reads it)
        await asyncio.sleep(0)
        clock.advance(PAUSE_S)
        await asyncio.sleep(0)
    running.cancel()
    assert rounds == [False]
