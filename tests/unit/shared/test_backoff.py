"""Back-off: the delays of a policy, and the repetition of what failed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.backoff import FULL, HALF, Backoff, Jitter, retry
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import InvalidInput, Overloaded, Unavailable

DOUBLING = Backoff(1.0, 5.0)


class Attempts:
    """Fails with each of `errors` in turn, then succeeds; sleeps of its clock pass at once and are recorded."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self._clock = ManualClock()
        self.slept: list[float] = []

    async def __call__(self) -> str:
        if self._errors:
            raise self._errors.pop(0)
        return "done"

    def wall(self) -> float:
        return self._clock.wall()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._clock.advance(seconds)


def longest() -> float:
    return 0.0


def away(times: int) -> list[Exception]:
    return [Unavailable(f"away {number}") for number in range(times)]


def test_the_delay_grows_by_its_factor_up_to_the_maximum() -> None:
    assert [DOUBLING.delay_s(failures) for failures in (1, 2, 3, 4, 10_000)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert [Backoff(0.2, 5.0, 1.5).planned_s(failures) for failures in (1, 2)] == pytest.approx([0.2, 0.3])
    assert [Backoff.constant(0.2).delay_s(failures) for failures in (1, 9)] == [0.2, 0.2]


@given(jitter=st.sampled_from([FULL, HALF, Jitter.below(0.3), Jitter.around(0.2)]), drawn=st.floats(0, 1))
def test_the_jitter_stays_within_its_range(jitter: Jitter, drawn: float) -> None:
    delay_s = Backoff(8.0, 8.0, jitter=jitter).delay_s(1, random=lambda: drawn)
    assert 8.0 * jitter.least <= delay_s <= 8.0 * jitter.most + 1e-9


def test_the_ends_of_the_range_can_be_drawn() -> None:
    policy = Backoff(8.0, 8.0, jitter=Jitter.around(0.25))
    assert (policy.delay_s(1, random=lambda: 1.0), policy.delay_s(1, random=lambda: 0.0)) == (6.0, 10.0)


def test_a_pause_that_was_asked_for_is_added_or_is_the_least() -> None:
    least = Backoff(1.0, 5.0, asked="least")
    assert (DOUBLING.delay_s(1, 3.0), least.delay_s(1, 3.0), least.delay_s(3, 3.0)) == (4.0, 3.0, 4.0)


async def test_it_is_repeated_until_it_succeeds() -> None:
    attempts = Attempts(*away(4))
    assert await retry(attempts, DOUBLING, Unavailable, clock=attempts) == "done"
    assert attempts.slept == [1.0, 2.0, 4.0, 5.0]


async def test_another_error_is_raised_at_once() -> None:
    attempts = Attempts(InvalidInput("k: it is odd", field="k"))
    with pytest.raises(InvalidInput):
        await retry(attempts, DOUBLING, Unavailable, clock=attempts)
    assert attempts.slept == []


async def test_a_last_attempt_is_made_when_the_time_ends_and_its_error_is_raised() -> None:
    attempts = Attempts(*away(9))
    with pytest.raises(Unavailable, match="away 3"):
        await retry(attempts, DOUBLING, Unavailable, timeout_s=6.0, clock=attempts)
    assert attempts.slept == [1.0, 2.0, 3.0]


async def test_a_pause_that_the_error_asks_for_is_observed() -> None:
    attempts = Attempts(Overloaded("full", retry_after_s=7.0))
    policy = Backoff(1.0, 5.0, jitter=HALF)
    await retry(attempts, policy, (Overloaded, Unavailable), clock=attempts, random=longest)
    assert attempts.slept == [8.0]


async def test_each_failure_is_reported_with_its_number_and_may_end_the_retries() -> None:
    attempts, reported = Attempts(*away(9)), list[tuple[str, int]]()

    def failed(error: Unavailable, failures: int) -> None:
        reported.append((error.message, failures))
        if failures == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await retry(attempts, DOUBLING, Unavailable, failed=failed, clock=attempts)
    assert reported == [("away 0", 1), ("away 1", 2)]
