"""How many of a job's targets may have begun: every roll-out of a few targets, and the words of the plan."""

from __future__ import annotations

from itertools import accumulate, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.jobs.rollout import Begin, Pause, RolloutPlan, RolloutProgress, Stop, decide, plan_of, share_of
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Run

NOW = 1000.0


def _play(plan: RolloutPlan, good: tuple[bool, ...], late: int | None = None) -> tuple[list[int], str]:
    """The sizes of the batches that began, and why no more did. Target `late` is given up, and is ok after all, when
    its batch has ended and before the next is decided.
    """
    standing, batches, now = RolloutProgress(0, 0, 0), [], NOW
    while True:
        verdict = decide(plan, standing, now)
        if isinstance(verdict, Begin):
            begun = standing.begun
            assert begun < verdict.upto <= plan.total
            batches.append(verdict.upto - begun)
            for ended in range(begun, verdict.upto):  # while any of them runs, nothing else begins
                running = RolloutProgress(verdict.upto, ended, standing.bad)
                assert decide(plan, running, now) is None or isinstance(decide(plan, running, now), Stop)
            bad = sum(not good[each] and each != late for each in range(verdict.upto))
            standing = RolloutProgress(verdict.upto, verdict.upto, bad)
        elif isinstance(verdict, Pause):
            assert verdict.until == now + plan.pause_s
            standing = standing._replace(resume_at=verdict.until)
            assert decide(plan, standing, verdict.until - 0.1) == Pause(verdict.until)
            now = verdict.until
        else:
            return batches, verdict.why if isinstance(verdict, Stop) else ""


def test_every_rollout_of_up_to_five_targets_begins_each_once_and_stops_only_after_a_batch() -> None:
    seen = 0
    for total in range(1, 6):
        for batch, pause_s, good in product(range(1, total + 1), (0.0, 30.0), product((True, False), repeat=total)):
            for most_bad, late in product((None, *range(total + 1)), (None, *range(total))):
                seen += 1
                batches, why = _play(RolloutPlan(total, batch, pause_s, most_bad), good, late)
                ends = list(accumulate(batches))
                bad = [sum(not good[each] and each != late for each in range(end)) for end in ends]
                assert all(size == batch for size in batches[:-1])
                assert batches[-1] <= batch
                stopped = most_bad is not None and bad[-1] > most_bad and ends[-1] < total
                assert most_bad is None or all(each <= most_bad for each in bad[:-1])
                assert bool(why) == stopped
                assert ends[-1] == total or stopped
    assert seen > 10_000


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50), st.floats(0, 1e6), st.floats(-1e6, 1e6))
def test_a_pause_is_never_longer_than_it_is_meant_to_be(
    batch: int, begun: int, ended: int, pause_s: float, skew_s: float
) -> None:
    begun, ended = min(begun, 50), min(ended, begun)
    verdict = decide(RolloutPlan(50, batch, pause_s), RolloutProgress(begun, ended, 0, NOW + skew_s), NOW)
    if isinstance(verdict, Pause):
        assert verdict.until <= NOW + pause_s


def test_targets_that_could_not_begin_with_their_batch_follow_it() -> None:
    """They wait for slots."""
    plan = RolloutPlan(10, 4, 60.0)
    assert decide(plan, RolloutProgress(5, 4, 0), NOW) == Begin(8)
    assert decide(plan, RolloutProgress(8, 7, 0), NOW) is None
    assert decide(plan, RolloutProgress(8, 8, 0), NOW) == Pause(NOW + 60)


@pytest.mark.parametrize(
    ("text", "total", "share"),
    [("3", 10, 3), ("0", 10, 0), ("25%", 10, 3), ("25%", 4, 1), ("1%", 10, 1), ("0%", 9, 0), ("100%", 7, 7)],
)
def test_a_share_is_rounded_up(text: str, total: int, share: int) -> None:
    assert share_of(text, total) == share


def test_a_run_in_words() -> None:
    plan = plan_of(Run(id="r", action="x", batch="20%", pause_s=5.0, max_failures="10%"), 11)
    assert plan == RolloutPlan(11, 3, 5.0, 2)
    assert plan_of(Run(id="r", action="x", sequential=True), 4) == RolloutPlan(4, 1)
    assert plan_of(Run(id="r", action="x"), 4) == RolloutPlan(4, 4)


@pytest.mark.parametrize(
    ("run", "field"),
    [
        (Run(id="r", action="x", sequential=True, batch="2"), "batch"),
        (Run(id="r", action="x", batch="0"), "batch"),
        (Run(id="r", action="x", batch="0%"), "batch"),
        (Run(id="r", action="x", pause_s=3.0), "pause_s"),
        (Run(id="r", action="x", max_failures="1"), "max_failures"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(run: Run, field: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{field}: ") as refused:
        plan_of(run, 10)
    assert refused.value.field == field
