"""Places: shared among identities, held by work and not by waiting, refused at once when there are none."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from fleetfold_broker.rpc.admission import (
    OWN,
    AdmissionControl,
    AdmissionSlot,
    QueuedSlots,
    begin_waiting,
    hold,
    may_wait,
)
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import Overloaded

LIMITS = LimitsConfig(requests=20, requests_per_identity=12, waiting=30, waiting_per_identity=25)


def _take_all(places: AdmissionControl, identity: str) -> list[AdmissionSlot]:
    taken: list[AdmissionSlot] = []
    with contextlib.suppress(Overloaded):
        for _ in range(1000):
            taken.append(places.enter(identity))
    return taken


def test_one_identity_cannot_take_all() -> None:
    places = AdmissionControl(LIMITS)
    assert len(_take_all(places, "greedy")) == 12
    assert len(_take_all(places, "other")) == 8


def test_each_identity_has_places_that_nobody_else_can_take() -> None:
    places = AdmissionControl(LIMITS)
    for name in ("one", "two"):
        _take_all(places, name)
    assert [len(_take_all(places, f"late-{number}")) for number in range(50)] == [OWN] * 50


def test_names_that_anybody_may_use_have_none_of_their_own() -> None:
    places = AdmissionControl(LIMITS, own=0)
    for name in ("one", "two"):
        _take_all(places, name)
    assert not _take_all(places, "late")


def test_a_refusal_says_who_has_too_many_and_when_to_try_again() -> None:
    places = AdmissionControl(LIMITS)
    _take_all(places, "greedy")
    with pytest.raises(Overloaded, match=r"'greedy' has 12 requests under way.*try again in 1 s") as refused:
        places.enter("greedy")
    assert refused.value.body().retry_after_s == 1.0


def test_a_place_that_is_left_is_free() -> None:
    places = AdmissionControl(LIMITS)
    for place in _take_all(places, "shop"):
        place.leave()
        place.leave()
    assert (places.working.total, dict(places.working.held)) == (0, {})
    assert len(_take_all(places, "shop")) == 12


def test_what_waits_holds_no_place_and_is_limited_too() -> None:
    places = AdmissionControl(LIMITS)
    for _ in range(25):
        places.enter("reader").begin_waiting()
    assert (places.working.total, places.waiting.total) == (0, 25)
    one_more = places.enter("reader")
    with pytest.raises(Overloaded, match="'reader' has 25 requests waiting"):
        one_more.begin_waiting()
    one_more.leave()
    assert (places.working.total, places.waiting.total) == (0, 25)


def test_the_memory_of_waiting_requests_is_limited() -> None:
    places, mebibyte = AdmissionControl(), 1024**2
    for _ in range(32):
        places.enter("reader", mebibyte).begin_waiting()
    with pytest.raises(Overloaded):
        places.enter("reader", mebibyte).begin_waiting()
    places.enter("other", mebibyte).begin_waiting()


async def test_the_request_of_the_task_is_the_one_that_waits() -> None:
    places = AdmissionControl(LIMITS)

    async def serve(name: str) -> None:
        hold(places.enter(name))
        begin_waiting()
        begin_waiting()  # a second time, nothing

    await asyncio.gather(*(serve(f"n{number}") for number in range(10)))
    assert (places.working.total, places.waiting.total) == (0, 10)
    begin_waiting()  # outside of any request, nothing


async def test_one_that_need_not_wait_goes_on_where_it_may_not() -> None:
    places = AdmissionControl(LimitsConfig(requests=16, waiting=16, waiting_per_identity=1))
    places.enter("reader").begin_waiting()

    async def serve(name: str) -> bool:
        hold(places.enter(name))
        return may_wait()

    assert [await serve("reader"), await serve("other")] == [False, True]


async def test_masters_wait_for_their_turn_but_not_for_what_only_waits() -> None:
    turns = QueuedSlots(1)
    first = await turns.enter()
    second = asyncio.ensure_future(turns.enter())
    await asyncio.sleep(0)
    assert not second.done()
    first.begin_waiting()
    (await second).leave()
    first.leave()
    (await turns.enter()).leave()
