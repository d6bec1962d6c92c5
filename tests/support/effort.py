"""How thoroughly the tests try what no number of tries can prove: examples, seeds, rounds, kills.

Every promise is kept by `make test`; `FLEETFOLD_EFFORT=5 make test` tries each of these five times as often.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["EFFORT", "effort", "some"]

T = TypeVar("T")

EFFORT = float(os.environ.get("FLEETFOLD_EFFORT", "1"))


def effort(times: int) -> int:
    """So many times, and more or fewer where that is wanted; once at least."""
    return max(1, round(times * EFFORT))


def some(of: Sequence[T], one_in: int, beginning: int = 0) -> Sequence[T]:
    """One in so many of these; tests with different beginnings try different ones, and together all of them."""
    step = max(1, round(one_in / EFFORT))
    return of[beginning % step :: step]
