"""The round-trip estimator: how long something usually takes, as TCP estimates its retransmission time-out.

Van Jacobson's estimator in the form of RFC 6298: a smoothed time (gain 1/8) and its smoothed deviation (gain 1/4).
"""

from __future__ import annotations

__all__ = ["UNKNOWN_S", "RoundTripEstimator"]

GAIN, DEVIATION_GAIN = 1 / 8, 1 / 4
UNKNOWN_S = 1.0
"""The estimate before the first measurement: the initial value of the RFC."""


class RoundTripEstimator:
    """Learns from each measurement passed to `took`. All times are seconds."""

    __slots__ = ("_deviation", "_mean")

    def __init__(self) -> None:
        self._mean: float | None = None
        self._deviation = 0.0

    def took(self, seconds: float) -> None:
        """Add a measurement."""
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
            return
        self._deviation += DEVIATION_GAIN * (abs(self._mean - seconds) - self._deviation)
        self._mean += GAIN * (seconds - self._mean)

    @property
    def known(self) -> bool:
        """Whether there is a measurement."""
        return self._mean is not None

    @property
    def p95(self) -> float:
        """An estimate of the 95th percentile: 2 mean deviations above the mean (1.645 sigma of a normal
        distribution)."""
        return UNKNOWN_S if self._mean is None else self._mean + 2 * self._deviation

    @property
    def usual(self) -> float:
        """The time-out of the RFC: 4 mean deviations above the mean."""
        return UNKNOWN_S if self._mean is None else self._mean + 4 * self._deviation
