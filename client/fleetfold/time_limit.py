"""Time limits in seconds, as callers give them, and in milliseconds, as requests carry them."""

from __future__ import annotations

import math

from fleetfold_shared.errors import InvalidInput

__all__ = ["check_time_limit", "milliseconds"]

MOST_S = 1e12
"""More than any time limit of a request: 30,000 years."""


def check_time_limit(seconds: float) -> None:
    """Raise `InvalidInput` for NaN, which ends no waiting."""
    if math.isnan(seconds):
        raise _refused(seconds)


def milliseconds(seconds: float) -> int:
    """Return a time limit in milliseconds. Raises `InvalidInput` for one that a request cannot carry."""
    if not abs(seconds) <= MOST_S:
        raise _refused(seconds)
    return round(seconds * 1000)


def _refused(seconds: float) -> InvalidInput:
    return InvalidInput(
        f"timeout_s: {seconds:g} is no time limit; give a number of seconds, such as 2.5", field="timeout_s"
    )
