"""Random transactions over three children whose actions keep books: every kind of action, stages, parallel steps,
refusals, and steps that take longer than they may.
"""

from __future__ import annotations

import random
from typing import Any

from fleetfold_shared.messages import Rollback, StepSpec
from support.storm import CHILDREN, MOODS

__all__ = ["steps_of"]

KINDS = ("enter", "post", "phone", "wire")
"""Transactional, idempotent, once, and once with a check: see `support.books`."""
ODDS = (86, 7, 7)
PATIENCE_S = {"overrun": 1.0}
LONGEST_S = 20.0


def steps_of(rng: random.Random, tx: str) -> list[StepSpec]:
    """One to three stages of one to three steps."""
    stages = [stage for stage in range(rng.randint(1, 3)) for _ in range(rng.choice((1, 1, 2, 3)))]
    return [_step(rng, tx, f"step_{number}", stage) for number, stage in enumerate(stages)]


def _step(rng: random.Random, tx: str, name: str, stage: int) -> StepSpec:
    [mood] = rng.choices(MOODS, ODDS)
    where: dict[str, Any] = {"tx": tx, "step": name, "stage": stage}
    action = rng.choice(KINDS)
    rollback = Rollback("strike", {"entry": "{{entry}}"}) if action == "enter" else Rollback("withdraw", where)
    return StepSpec(
        name=name, node=rng.choice(CHILDREN), action=action, stage=stage, rollback=rollback,
        params={**where, "mood": mood, "seconds": rng.choice((0.0, 0.0, 0.1, 0.4, 1.0))},
        timeout_s=PATIENCE_S.get(mood, rng.choice((3.0, LONGEST_S))), retries=rng.choice((0, 0, 1)),
    )  # fmt: skip
