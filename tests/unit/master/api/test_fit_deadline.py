"""The masters' own time limit is shorter than the caller's: a late answer helps nobody."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold_broker.rpc.pipeline import MESSAGE, Call
from fleetfold_master.api.interceptors import FitDeadline
from fleetfold_master.api.interceptors.fit_deadline import budget_s
from fleetfold_shared.messages import JobGet, JobWait, Message, Search


async def fitted(message: Message, left_s: float | None) -> Message:
    deadline = None if left_s is None else asyncio.get_running_loop().time() + left_s
    call = Call(verb="any", deadline=deadline)
    call.put(MESSAGE, message)

    async def handle(call: Call) -> Message:
        return call.get(MESSAGE)

    found = await FitDeadline()(call, handle)
    assert found is not None
    return found


async def test_a_search_ends_before_its_caller_gives_up() -> None:
    found = await fitted(Search(query="tent", timeout_ms=2000), 2.0)
    assert isinstance(found, Search)
    assert 1500 < found.timeout_ms <= budget_s(2.0) * 1000


async def test_a_request_that_comes_late_has_what_is_left() -> None:
    found = await fitted(JobWait(id="j", wait_ms=5000), 0.4)
    assert isinstance(found, JobWait)
    assert found.wait_ms <= 400


@pytest.mark.parametrize("left_s", [None, 10.0])
async def test_whoever_has_time_has_what_they_ask_for(left_s: float | None) -> None:
    ask = Search(query="tent", timeout_ms=2000)
    assert await fitted(ask, left_s) is ask


async def test_what_has_no_time_limit_is_as_it_was() -> None:
    ask = JobGet(id="j")
    assert await fitted(ask, 0.1) is ask


@pytest.mark.parametrize("left_s", [0.001, 0.05, 0.2, 2.0, 60.0, 600.0])
def test_the_reserve_is_never_more_than_a_quarter_of_the_time(left_s: float) -> None:
    assert 0.75 * left_s <= budget_s(left_s) < left_s


def test_no_time_is_left_after_the_deadline() -> None:
    assert budget_s(-1.0) == 0.0
