"""A node that fails is left out, tried now and then, and taken back at its first answer."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from fleetfold_master.nodes import Breakers, RoundTripEstimator
from fleetfold_master.nodes.breakers import FIRST_S, MOST_S, OPENS_AFTER, SPREAD, TRIAL_S
from fleetfold_shared.clock import ManualClock


class Ward:
    """One node, its breaker and its lives."""

    def __init__(self) -> None:
        self.clock, self.life = ManualClock(), 1
        self.breakers = Breakers(lambda _: self.life, self.clock, random.Random(1))

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(0.01)
            self.breakers.failed("shop", 0.005, "no answer in time")

    def open(self) -> None:
        self.fail(OPENS_AFTER)

    @property
    def state(self) -> str:
        return self.breakers.state("shop")


@pytest.fixture
def ward() -> Ward:
    return Ward()


def test_it_opens_after_failures_in_a_row(ward: Ward) -> None:
    ward.fail(OPENS_AFTER - 1)
    assert ward.state == "closed"
    ward.fail()
    assert ward.state == "open"
    assert "failed 3 times in a row, at last: no answer in time; tried again in" in ward.breakers.reason("shop")


def test_an_answer_between_them_begins_the_count_anew(ward: Ward) -> None:
    ward.fail(OPENS_AFTER - 1)
    ward.breakers.answered("shop")
    ward.fail(OPENS_AFTER - 1)
    assert ward.state == "closed"


def test_questions_that_fail_together_count_once(ward: Ward) -> None:
    for _ in range(20):
        ward.clock.advance(0.001)
        ward.breakers.failed("shop", 2.0, "no answer in time")
    assert ward.state == "closed"


def test_it_is_tried_by_one_question_when_its_time_has_come(ward: Ward) -> None:
    ward.open()
    ward.clock.advance(FIRST_S * (1 + SPREAD))
    assert ward.state == "half_open"
    ward.breakers.tried("shop")
    assert ward.state == "open"
    assert "it is being tried again" in ward.breakers.reason("shop")


def test_a_failed_trial_doubles_the_time_up_to_a_bound(ward: Ward) -> None:
    ward.open()
    waits = []
    for _ in range(8):
        began = ward.clock.monotonic()
        while ward.state == "open":
            ward.clock.advance(0.1)
        waits.append(ward.clock.monotonic() - began)
        ward.breakers.tried("shop")
        ward.fail()
    assert all(later > 1.2 * sooner for sooner, later in pairwise(waits[:5]))
    assert max(waits) <= MOST_S * (1 + SPREAD) + 0.1


def test_a_trial_that_was_lost_is_not_waited_for_for_ever(ward: Ward) -> None:
    ward.open()
    ward.clock.advance(FIRST_S * (1 + SPREAD))
    ward.breakers.tried("shop")
    ward.clock.advance(TRIAL_S)
    assert ward.state == "half_open"


def test_any_answer_closes_it(ward: Ward) -> None:
    ward.open()
    ward.breakers.answered("shop")
    assert (ward.state, ward.breakers.reason("shop")) == ("closed", "")


def test_a_node_that_has_come_anew_is_innocent(ward: Ward) -> None:
    ward.open()
    ward.life += 1
    assert ward.state == "closed"
    ward.fail(OPENS_AFTER - 1)
    assert ward.state == "closed"


def test_a_pace_is_unknown_before_the_first_time_and_then_follows_what_things_take() -> None:
    pace = RoundTripEstimator()
    assert (pace.known, pace.usual) == (False, 1.0)
    pace.took(0.01)
    assert pace.usual == pytest.approx(0.03)
    chance = random.Random(2)
    times = [max(0.001, chance.gauss(0.02, 0.004)) for _ in range(2000)]
    within = 0
    for seconds in times:
        within += seconds <= pace.p95
        pace.took(seconds)
    assert 0.9 < within / len(times) < 0.99
