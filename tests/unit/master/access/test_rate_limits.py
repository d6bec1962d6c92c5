"""Limits: how often an identity may ask, and how often an address may fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.access.rate_limits import MOST_BUCKETS, Failures, Limits
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import AccessConfig


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_child_may_ask_sixty_times_a_minute(clock: ManualClock) -> None:
    limits = Limits.of(AccessConfig(), clock)
    verdicts = [limits.take("shop", "child") for _ in range(61)]
    assert [verdict.retry_after_s for verdict in verdicts[:60]] == [None] * 60
    assert [verdict.remaining for verdict in verdicts] == [*range(59, -1, -1), 0]
    assert {verdict.limit for verdict in verdicts} == {60}
    assert verdicts[60].retry_after_s == pytest.approx(1.0)


def test_who_waits_as_long_as_it_is_told_may_ask_again(clock: ManualClock) -> None:
    limits = Limits({"child": 7}, clock)
    while (retry_after_s := limits.take("shop", "child").retry_after_s) is None:
        pass
    clock.advance(retry_after_s)
    assert limits.take("shop", "child").retry_after_s is None


def test_refused_requests_do_not_put_off_the_next_one(clock: ManualClock) -> None:
    limits = Limits({"child": 60}, clock)
    for _ in range(500):
        limits.take("shop", "child")
    clock.advance(1.0)
    assert limits.take("shop", "child").retry_after_s is None


def test_one_identity_does_not_use_up_anothers(clock: ManualClock) -> None:
    limits = Limits({"child": 1}, clock)
    limits.take("shop", "child")
    assert limits.take("shop", "child").retry_after_s is not None
    assert limits.take("blog", "child").retry_after_s is None


@pytest.mark.parametrize("role", ["master", "admin", "operator"])
def test_masters_and_unlimited_roles_are_never_refused(role: str, clock: ManualClock) -> None:
    limits = Limits.of(AccessConfig(), clock)
    assert {limits.take("ops", role) for _ in range(10_000)} == {limits.take("ops", role)}  # type: ignore[arg-type]
    assert limits.take("ops", role).limit == 0  # type: ignore[arg-type]


def test_another_role_under_the_same_name_has_a_bucket_of_its_own_and_fills_no_other(clock: ManualClock) -> None:
    limits = Limits({"child": 1, "reader": 5}, clock)
    limits.take("shop", "child")
    assert limits.take("shop", "reader").remaining == 4
    assert limits.take("shop", "child").retry_after_s is not None


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=200), st.integers(min_value=1, max_value=120))
def test_nobody_gets_more_than_a_minutes_worth_and_what_time_brings(pauses: list[float], per_minute: int) -> None:
    clock = ManualClock()
    limits, began = Limits({"child": per_minute}, clock), clock.monotonic()
    granted = 0
    for pause in pauses:
        clock.advance(pause)
        granted += limits.take("shop", "child").retry_after_s is None
    assert granted <= per_minute + (clock.monotonic() - began) * per_minute / 60 + 1e-6


def test_identities_that_are_silent_for_a_minute_take_no_memory(clock: ManualClock) -> None:
    limits = Limits({"child": 60}, clock)
    for number in range(1000):
        limits.take(f"n{number}", "child")
    clock.advance(60.0)
    limits.take("shop", "child")
    assert len(limits._buckets) == 1


def test_an_address_that_fails_too_often_is_blocked_and_let_in_again_later(clock: ManualClock) -> None:
    failures = Failures(30, clock)
    for _ in range(30):
        assert not failures.blocked("192.0.2.1")
        failures.failed("192.0.2.1")
    assert failures.blocked("192.0.2.1")
    assert not failures.blocked("192.0.2.2")
    clock.advance(2.0)
    assert not failures.blocked("192.0.2.1")


def test_failures_without_a_limit_block_nobody(clock: ManualClock) -> None:
    failures = Failures(0, clock)
    for _ in range(1000):
        failures.failed("192.0.2.1")
    assert not failures.blocked("192.0.2.1")


def test_the_addresses_of_one_network_of_version_6_fail_together(clock: ManualClock) -> None:
    failures = Failures(2, clock)
    failures.failed("2001:db8::1")
    failures.failed("2001:db8::2")
    assert failures.blocked("2001:db8::3")
    assert not failures.blocked("2001:db8:0:1::3")


def test_an_address_is_the_same_however_it_is_written(clock: ManualClock) -> None:
    failures = Failures(1, clock)
    failures.failed("::ffff:192.0.2.1")
    assert failures.blocked("192.0.2.1")


def test_strangers_without_number_take_bounded_memory_and_free_nobody_who_goes_on(clock: ManualClock) -> None:
    failures = Failures(1, clock)
    failures.failed("the-hammer")
    for number in range(MOST_BUCKETS + 10):
        failures.failed(f"stranger-{number}")
        if number % 1000 == 0:
            assert failures.blocked("the-hammer")
    assert len(failures._buckets) == MOST_BUCKETS
    assert failures.blocked("the-hammer")


def test_looking_at_an_address_remembers_nothing_of_it(clock: ManualClock) -> None:
    failures = Failures(1, clock)
    assert not failures.blocked("192.0.2.1")
    assert len(failures._buckets) == 0
