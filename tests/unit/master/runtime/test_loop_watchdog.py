"""A master whose event loop hangs leaves the bus to the others."""

from __future__ import annotations

import pytest

from fleetfold_master.runtime.loop_watchdog import HANGS_S, LoopWatchdog


class Bench:
    """A watchdog with a clock that stands still, and the connections it has closed."""

    def __init__(self, *, others: bool = True) -> None:
        self.now, self.closed = 0.0, list[str]()
        self.watchdog = LoopWatchdog(
            lambda: self.closed.append("all"), lambda: others, lambda: self.now,
        )  # fmt: skip

    def look_after(self, seconds: float) -> None:
        self.now += seconds
        self.watchdog.look()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_loop_that_turns_is_left_alone(bench: Bench) -> None:
    for _ in range(5):
        bench.look_after(HANGS_S * 0.9)
        bench.watchdog.turned()
    assert bench.closed == []


def test_a_loop_that_hangs_is_taken_off_the_bus_once(bench: Bench) -> None:
    bench.look_after(HANGS_S)
    bench.look_after(HANGS_S)
    assert bench.closed == ["all"]


def test_a_loop_that_hangs_again_is_taken_off_again(bench: Bench) -> None:
    bench.look_after(HANGS_S)
    bench.watchdog.turned()
    bench.look_after(HANGS_S)
    assert bench.closed == ["all"] * 2


def test_a_single_master_stays_connected() -> None:
    alone = Bench(others=False)
    alone.look_after(10 * HANGS_S)
    assert alone.closed == []
