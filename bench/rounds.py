"""How a benchmark goes about it: work kept in flight, several rounds that take turns, medians."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Pace", "Work", "latencies_ms", "medians", "pace", "percentile", "rate", "side_by_side_ms"]

Work = Callable[[], Awaitable[object]]
"""One piece of what is measured."""


async def rate(work: Work, in_flight: int, count: int) -> float:
    """How many a second, with `in_flight` of them going on at any time until `count` are done."""
    left = iter(range(count))

    async def keep_on() -> None:
        for _ in left:
            await work()

    started = time.perf_counter()
    await asyncio.gather(*(keep_on() for _ in range(in_flight)))
    return count / (time.perf_counter() - started)


class Pace(NamedTuple):
    """How many a second, and how long one takes: half of them so long at the most, and 99 of 100."""

    per_s: float
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, per_s: float, took_s: Sequence[float]) -> Pace:
        """From the seconds that each took."""
        return cls(per_s, percentile(took_s, 50) * 1000, percentile(took_s, 99) * 1000)


async def pace(work: Work, in_flight: int, count: int) -> Pace:
    """`rate`, and how long each took."""
    took_s: list[float] = []

    async def timed() -> None:
        started = time.perf_counter()
        await work()
        took_s.append(time.perf_counter() - started)

    return Pace.of(await rate(timed, in_flight, count), took_s)


async def latencies_ms(work: Work, count: int) -> list[float]:
    """The milliseconds that each of `count` took, one after another."""
    took = []
    for _ in range(count):
        started = time.perf_counter()
        await work()
        took.append((time.perf_counter() - started) * 1000)
    return took


async def side_by_side_ms(works: Mapping[str, Work], count: int) -> dict[str, list[float]]:
    """The same of several, which take turns piece by piece: whatever else goes on here meets all of them alike."""
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(count):
        for name, work in works.items():
            took[name] += await latencies_ms(work, 1)
    return took


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that at least `percent` of them do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure over the rounds; figures of a round stand under the same names in all of them."""
    return {name: round(statistics.median(each[name] for each in rounds), 3) for name in rounds[0]}
