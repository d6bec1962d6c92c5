from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fleetfold_child.index.compaction import Compaction
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import InternalError


class Table:
    def __init__(self) -> None:
        self.optimized = 0
        self.error: Exception | None = None

    async def optimize(self) -> None:
        self.optimized += 1
        if self.error is not None:
            raise self.error


class Bench:
    """An upkeep, its clock and its table."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.table = Table()
        self.upkeep = Compaction(self.table, self.clock)  # type: ignore[arg-type]

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.25)):
            self.clock.advance(0.25)
            for _ in range(5):
                await asyncio.sleep(0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.upkeep.close()


async def test_a_table_is_optimized_when_many_rows_have_come_and_it_is_quiet(bench: Bench) -> None:
    bench.upkeep.wrote(200)
    await bench.pass_time(2)
    assert bench.table.optimized == 1


async def test_a_bulk_load_is_not_optimized_again_and_again(bench: Bench) -> None:
    for _ in range(80):
        bench.upkeep.wrote(1000)
        await bench.pass_time(0.25)
    assert bench.table.optimized == 0
    await bench.pass_time(2)
    assert bench.table.optimized == 1


async def test_a_few_rows_wait_no_longer_than_a_minute(bench: Bench) -> None:
    bench.upkeep.wrote(1)
    await bench.pass_time(50)
    assert bench.table.optimized == 0
    await bench.pass_time(15)
    assert bench.table.optimized == 1


async def test_an_idle_table_is_left_alone(bench: Bench) -> None:
    await bench.pass_time(200)
    assert bench.table.optimized == 0


async def test_what_the_last_optimize_had_to_keep_is_dropped_when_it_is_old(bench: Bench) -> None:
    bench.upkeep.wrote(200)
    await bench.pass_time(250)
    assert bench.table.optimized == 1
    await bench.pass_time(100)
    assert bench.table.optimized == 2
    await bench.pass_time(1000)
    assert bench.table.optimized == 2
    bench.upkeep.wrote(200)
    await bench.pass_time(2)
    assert bench.table.optimized == 3


async def test_an_optimize_that_fails_is_tried_again_in_a_minute(bench: Bench) -> None:
    bench.table.error = InternalError("commit conflict")
    bench.upkeep.wrote(200)
    await bench.pass_time(50)
    assert bench.table.optimized == 1
    bench.table.error = None
    await bench.pass_time(100)
    assert bench.table.optimized == 2
