"""The rollout: how many of a job's targets may have begun by now. Pure functions from counts and time to a decision.

Targets begin in order, one batch at a time. The next batch begins when every target of the previous one has ended
and the pause is over, unless too many have failed. A target that was given up and answers later counts by its
outcome at the time of the decision.
"""

from __future__ import annotations

from typing import NamedTuple

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Run

__all__ = ["Begin", "Pause", "RolloutPlan", "RolloutProgress", "Stop", "Verdict", "decide", "plan_of", "share_of"]


class RolloutPlan(NamedTuple):
    """`total` targets, `batch` at a time with `pause_s` seconds between, until more than `most_bad` were not ok."""

    total: int
    batch: int
    pause_s: float = 0.0
    most_bad: int | None = None


class RolloutProgress(NamedTuple):
    """Progress: `begun` targets, `ended` of those, `bad` of these not `ok`. `resume_at` is the end of the present
    pause, if any."""

    begun: int
    ended: int
    bad: int
    resume_at: float | None = None


class Begin(NamedTuple):
    """All targets before this index may begin now."""

    upto: int


class Pause(NamedTuple):
    """Nothing may begin before that time."""

    until: float


class Stop(NamedTuple):
    """Nothing more begins."""

    why: str


Verdict = Begin | Pause | Stop | None


def decide(plan: RolloutPlan, standing: RolloutProgress, now: float) -> Verdict:
    """The decision at `now` (Unix seconds); None if there is nothing to do before the next target ends.

    A pause ends at most `pause_s` from now, whatever happened to the clock.
    """
    begun, ended, bad, resume_at = standing
    if begun >= plan.total:
        return None
    if plan.most_bad is not None and bad > plan.most_bad:
        return Stop(f"the roll-out stopped after {bad} of {plan.total} failed")
    present = min(-(-begun // plan.batch) * plan.batch, plan.total)
    if begun < present:
        return Begin(present)
    if ended < begun:
        return None
    if begun and plan.pause_s and (resume_at is None or now < resume_at):
        return Pause(now + plan.pause_s if resume_at is None else min(resume_at, now + plan.pause_s))
    return Begin(min(begun + plan.batch, plan.total))


def plan_of(run: Run, total: int) -> RolloutPlan:
    """The plan that `run` requests for `total` targets. Raises `InvalidInput`, naming the field."""
    if run.sequential and run.batch is not None:
        raise InvalidInput("batch: one after another is a batch of 1; give one of the two", field="batch")
    batch = 1 if run.sequential else total if run.batch is None else share_of(run.batch, total)
    if batch < 1:
        raise InvalidInput("batch: nothing would ever run; give 1 or more", field="batch")
    if run.batch is None and not run.sequential:
        for field in ("pause_s", "max_failures"):
            if getattr(run, field):
                raise InvalidInput(f"{field}: it is for a job in batches; give `batch` too", field=field)
    most_bad = None if run.max_failures is None else share_of(run.max_failures, total)
    return RolloutPlan(total, batch, run.pause_s, most_bad)


def share_of(text: str, total: int) -> int:
    """Parse a number or a percentage: `3` is three, `25%` a quarter of `total`, rounded up."""
    return -(-int(text[:-1]) * total // 100) if text.endswith("%") else int(text)
