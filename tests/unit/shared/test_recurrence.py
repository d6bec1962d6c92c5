"""When a schedule is due: cron in a time zone, across the changes of the clocks; every so many seconds; jitter."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.recurrence import Recurrence

BERLIN = "Europe/Berlin"


def _cron(cron: str, timezone: str = BERLIN, **more: float) -> Recurrence:
    return Recurrence("nightly", cron, None, timezone, 0, **more)


def _every(seconds: int, **more: float) -> Recurrence:
    return Recurrence("often", None, seconds, "UTC", 1000, **more)


def _at(text: str, timezone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone)).timestamp()


def _local(rhythm: Recurrence, after: str, count: int) -> list[str]:
    times = islice(rhythm.times(_at(after, rhythm.timezone)), count)
    return [datetime.fromtimestamp(at, ZoneInfo(rhythm.timezone)).isoformat() for at in times]


def test_a_time_that_does_not_exist_is_made_up_for_right_after_the_gap() -> None:
    assert _local(_cron("30 2 * * *"), "2025-03-29T12:00", 2) == [
        "2025-03-30T03:00:00+02:00", "2025-03-31T02:30:00+02:00",
    ]  # fmt: skip


def test_a_time_that_exists_twice_counts_once() -> None:
    assert _local(_cron("30 2 * * *"), "2025-10-25T12:00", 2) == [
        "2025-10-26T02:30:00+02:00", "2025-10-27T02:30:00+01:00",
    ]  # fmt: skip


def test_what_is_due_all_the_time_follows_the_clock_as_it_goes() -> None:
    spring = _local(_cron("*/30 * * * *"), "2025-03-30T01:29", 3)
    assert spring == ["2025-03-30T01:30:00+01:00", "2025-03-30T03:00:00+02:00", "2025-03-30T03:30:00+02:00"]
    autumn = [text[11:] for text in _local(_cron("*/30 * * * *"), "2025-10-26T01:59", 5)]
    assert autumn == ["02:00:00+02:00", "02:30:00+02:00", "02:00:00+01:00", "02:30:00+01:00", "03:00:00+01:00"]


def test_asked_in_the_second_of_two_equal_hours_nothing_comes_that_is_over() -> None:
    second = datetime(2025, 10, 26, 2, 15, tzinfo=ZoneInfo(BERLIN), fold=1).timestamp()
    following = _cron("30 2 * * *").next(second)
    assert following == _at("2025-10-27T02:30")


CRONS = ["*/5 * * * *", "30 2 * * *", "0,30 1,2,3 * * *", "15 */2 * * *", "0 0 L * *", "0 2 * * SUN"]
ZONES = [BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]


@given(
    cron=st.sampled_from(CRONS), zone=st.sampled_from(ZONES), days=st.floats(0, 400), span_days=st.floats(0, 3),
    most=st.integers(1, 20),
)  # fmt: skip
def test_the_latest_times_are_the_last_of_all_times(
    cron: str, zone: str, days: float, span_days: float, most: int
) -> None:
    rhythm, after = _cron(cron, zone), 1_735_700_000 + days * 86_400
    until = after + span_days * 86_400
    every = []
    for at in rhythm.times(after):
        if at > until:
            break
        every.append(at)
    assert every == sorted(set(every))
    found, whole = rhythm.latest(after, until, most)
    assert found == every[-most:]
    assert not whole or found == every
    stepped, at = [], after
    while (following := rhythm.next(at)) is not None and following <= until and len(stepped) < 50:
        stepped.append(following)
        at = following
    assert stepped == every[:50]


def test_a_year_without_a_master_costs_no_more_than_a_minute() -> None:
    found, whole = _cron("* * * * *").latest(_at("2024-01-01"), _at("2025-01-01"), 100)
    assert (len(found), whole) == (100, False)
    assert found[-1] == _at("2025-01-01")


def test_seconds_are_counted_from_the_anchor() -> None:
    rhythm = _every(60)
    assert [rhythm.next(at) for at in (0, 999.5, 1000, 1059.9, 1060)] == [1000, 1000, 1060, 1060, 1120]
    assert rhythm.latest(1000, 1300, 2) == ([1240, 1300], False)
    assert rhythm.latest(1200, 1300, 5) == ([1240, 1300], True)


def test_nothing_is_due_before_its_time_or_after_it() -> None:
    rhythm = _every(60, not_before=5000.5, not_after=5121)
    assert list(rhythm.times(0)) == [5001, 5061, 5121]
    assert rhythm.next(5121) is None
    within = _cron("0 3 * * *", not_before=_at("2025-03-10T03:00"), not_after=_at("2025-03-11T03:00"))
    assert len(list(within.times(0))) == 2


def test_jitter_is_the_same_for_whoever_computes_it_and_stays_within_its_bound() -> None:
    times = list(islice(_every(60, jitter_s=30).times(0), 200))
    drawn = [_every(60, jitter_s=30).due_at(at) - at for at in times]
    assert drawn == [_every(60, jitter_s=30).due_at(at) - at for at in times]
    assert 0 <= min(drawn) < 5
    assert 25 < max(drawn) < 30
    assert _every(60).due_at(1060) == 1060


@pytest.mark.parametrize(
    ("rhythm", "field"),
    [
        (_cron("0 3 * *"), "cron"),
        (_cron("0 0 3 * * *"), "cron"),
        (_cron("61 3 * * *"), "cron"),
        (_cron("0 0 30 2 *"), "cron"),
        (_cron("0 0 29-31 2 MON-FRI"), None),
        (_cron("0 0 31 2 *"), "cron"),
        (_cron("0 3 * * *", "Europe/Berln"), "timezone"),
        (_cron("0 3 * * *", "../../etc/passwd"), "timezone"),
        (_cron("0 3 * * *", "Europe"), "timezone"),
        (Recurrence("both", "0 3 * * *", 5, "UTC", 0), "cron"),
        (Recurrence("none", None, None, "UTC", 0), "cron"),
        (_every(60, jitter_s=60), "jitter_s"),
        (_every(60, not_before=float("inf")), "not_before"),
        (_every(60, not_after=-1e300), "not_after"),
    ],
)
def test_what_cannot_be_is_refused_by_the_fields_name(rhythm: Recurrence, field: str | None) -> None:
    if field is None:
        rhythm.check()
        return
    with pytest.raises(InvalidInput) as refused:
        rhythm.check()
    assert refused.value.field == field
    assert refused.value.message.startswith(f"{field}: ")
