"""Bounded waits and futures that may be over: the end of the time is an outcome, not an error."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_shared.concurrency import ends_within, fail_if_open, resolve_if_open
from fleetfold_shared.errors import Unavailable


@pytest.mark.parametrize("timeout_s", [None, 30.0])
async def test_what_ends_in_time_has_ended(timeout_s: float | None) -> None:
    event = asyncio.Event()
    event.set()
    assert await ends_within(timeout_s, event.wait())


async def test_what_does_not_end_in_time_is_cancelled() -> None:
    over = asyncio.get_running_loop().create_future()
    assert not await ends_within(0.0, over)
    assert over.cancelled()


async def test_an_error_of_the_work_is_raised() -> None:
    over = asyncio.get_running_loop().create_future()
    fail_if_open(over, Unavailable("away"))
    with pytest.raises(Unavailable):
        await ends_within(30.0, over)


async def test_the_first_outcome_of_a_future_stays() -> None:
    over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    resolve_if_open(over, 1)
    resolve_if_open(over, 2)
    fail_if_open(over, Unavailable("away"))
    assert over.result() == 1


async def test_a_cancelled_future_stays_cancelled() -> None:
    over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    over.cancel()
    resolve_if_open(over, 1)
    fail_if_open(over, Unavailable("away"))
    assert over.cancelled()
