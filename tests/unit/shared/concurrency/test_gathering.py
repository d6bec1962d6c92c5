"""Concurrent work: what is done in time counts, an error ends all, and nothing is left running."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from fleetfold_shared.concurrency import cancel_all, gather_all, gather_until, settle_all
from fleetfold_shared.errors import InvalidInput

LONG_S = 30.0


async def quick(what: int) -> int:
    return what


async def never() -> int:
    await asyncio.Event().wait()
    return 0


async def wrong() -> int:
    raise InvalidInput("k: it is odd", field="k")


def tasks(*works: Coroutine[Any, Any, int]) -> list[asyncio.Task[int]]:
    return list(map(asyncio.create_task, works))


async def test_all_that_is_done_counts_in_its_order() -> None:
    assert list((await gather_until({"b": quick(1), "a": quick(2)}, LONG_S)).items()) == [("b", 1), ("a", 2)]


async def test_what_hangs_costs_nothing_but_itself() -> None:
    before = asyncio.all_tasks()
    assert await gather_until({"a": never(), "b": quick(2)}, 0.05) == {"b": 2}
    assert asyncio.all_tasks() == before


async def test_one_alone_that_hangs_is_not_there() -> None:
    assert await gather_until({"a": never()}, 0.01) == {}


@pytest.mark.parametrize("others", [{}, {"b": never}])
async def test_an_error_ends_all_at_once(others: dict) -> None:
    works = {"a": wrong(), **{name: work() for name, work in others.items()}}
    with pytest.raises(InvalidInput):
        await gather_until(works, LONG_S)


async def test_results_come_in_the_order_of_the_works() -> None:
    assert await gather_all(tasks(quick(1), quick(2))) == [1, 2]


async def test_an_error_is_raised_only_when_the_others_have_ended() -> None:
    before = asyncio.all_tasks()
    with pytest.raises(InvalidInput):
        await gather_all(tasks(never(), wrong()))
    assert asyncio.all_tasks() == before


async def test_settling_lets_all_finish_before_the_first_error_is_raised() -> None:
    finished = list[int]()

    async def late() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        finished.append(1)

    with pytest.raises(InvalidInput):
        await settle_all([wrong(), late()])
    assert finished == [1]


async def test_cancelling_waits_for_the_end_and_discards_errors() -> None:
    ended = list[str]()

    async def fail_at_its_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")
            raise InvalidInput("k: it is odd", field="k")

    task = asyncio.create_task(fail_at_its_end())
    await asyncio.sleep(0)
    await cancel_all(task, None)
    assert ended == ["cleaned up"]
    assert task.done()
