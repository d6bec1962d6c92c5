"""A roll-out: how many of a job's targets may have begun by now. Pure: from counts and the time to a decision.

Targets begin in their order, a batch at a time: the next batch when every target of the one before has ended and the
pause is over, and never once too many have not ended well. A target that was given up and then answers counts as what
it is when that is decided.
"""

from __future__ import annotations

from typing import NamedTuple

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Run

__all__ = ["Begin", "Pause", "RolloutPlan", "RolloutStanding", "Stop", "Verdict", "decide", "plan_of", "share_of"]


class RolloutPlan(NamedTuple):
    """`total` targets, `batch` at a time with `pause_s` between, until more than `most_bad` did not end well."""

    total: int
    batch: int
    pause_s: float = 0.0
    most_bad: int | None = None


class RolloutStanding(NamedTuple):
    """How far it is: `begun` of the targets, `ended` of those, `bad` of these not `ok`. `resume_at` is when the pause
    under way ends, if one is.
    """

    begun: int
    ended: int
    bad: int
    resume_at: float | None = None


class Begin(NamedTuple):
    """All targets up to this one, not included, may begin now."""

    upto: int


class Pause(NamedTuple):
    """Nothing may begin before that time."""

    until: float


class Stop(NamedTuple):
    """Nothing more begins."""

    why: str


Verdict = Begin | Pause | Stop | None


def decide(plan: RolloutPlan, standing: RolloutStanding, now: float) -> Verdict:
    """What may happen at `now` (Unix seconds); `None` when there is nothing to do before the next target has ended.

    A pause ends at most `pause_s` from now, however the clock was set meanwhile.
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
    """The plan that `run` asks for, of `total` targets. `InvalidInput` names the field that makes no sense."""
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
    """`3` is three, `25%` a quarter of `total`, rounded up."""
    return -(-int(text[:-1]) * total // 100) if text.endswith("%") else int(text)
