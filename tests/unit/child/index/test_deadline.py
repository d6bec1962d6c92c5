"""Work with a deadline: what is done by then counts, and nothing is left running."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_child.index.deadline import finished, search_s
from fleetfold_shared.errors import InvalidInput

LONG_S = 30.0


async def quick(what: int) -> int:
    return what


async def never() -> int:
    await asyncio.Event().wait()
    return 0


async def wrong() -> int:
    raise InvalidInput("k: it is odd", field="k")


async def test_all_that_is_done_counts_in_its_order() -> None:
    assert list((await finished({"b": quick(1), "a": quick(2)}, LONG_S)).items()) == [("b", 1), ("a", 2)]


async def test_what_hangs_costs_nothing_but_itself() -> None:
    before = asyncio.all_tasks()
    assert await finished({"a": never(), "b": quick(2)}, 0.05) == {"b": 2}
    assert asyncio.all_tasks() == before


async def test_one_alone_that_hangs_is_not_there() -> None:
    assert await finished({"a": never()}, 0.01) == {}


@pytest.mark.parametrize("others", [{}, {"b": never}])
async def test_an_error_ends_all_at_once(others: dict) -> None:
    works = {"a": wrong(), **{name: work() for name, work in others.items()}}
    with pytest.raises(InvalidInput):
        await finished(works, LONG_S)


def test_a_tenth_of_the_time_is_kept_for_the_way_back() -> None:
    assert search_s(0.1) == pytest.approx(0.09)
    assert search_s(2.0) == pytest.approx(1.95)
