"""How long something usually takes, learnt from how long it took: as TCP learns how long to wait for an answer.

Van Jacobson's estimator in the form of RFC 6298: a smoothed time (gain 1/8) and its smoothed deviation (gain 1/4).
"""

from __future__ import annotations

__all__ = ["UNKNOWN_S", "RoundTripEstimator"]

GAIN, DEVIATION_GAIN = 1 / 8, 1 / 4
UNKNOWN_S = 1.0
"""Before the first time is known: the RFC's own first guess."""


class RoundTripEstimator:
    """Learns from each `took`. All times are seconds."""

    __slots__ = ("_deviation", "_mean")

    def __init__(self) -> None:
        self._mean: float | None = None
        self._deviation = 0.0

    def took(self, seconds: float) -> None:
        """It took so long this time."""
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
            return
        self._deviation += DEVIATION_GAIN * (abs(self._mean - seconds) - self._deviation)
        self._mean += GAIN * (seconds - self._mean)

    @property
    def known(self) -> bool:
        """Whether anything has been learnt."""
        return self._mean is not None

    @property
    def p95(self) -> float:
        """About 19 of 20 take no longer: of a normal distribution, 2 mean deviations above the mean (1.645 sigma)."""
        return UNKNOWN_S if self._mean is None else self._mean + 2 * self._deviation

    @property
    def usual(self) -> float:
        """Nearly all take no longer; the RFC's time to wait: 4 mean deviations above the mean."""
        return UNKNOWN_S if self._mean is None else self._mean + 4 * self._deviation
