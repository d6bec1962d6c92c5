"""Back-off: how long to wait before a failed attempt is repeated, and the loop that repeats it.

Clock and randomness are passed in: a test gives a `ManualClock` and a constant instead of waiting.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple, TypeVar

from fleetfold_shared.clock import Clock, SystemClock

__all__ = ["FULL", "HALF", "NONE", "Backoff", "Jitter", "Random", "retry"]

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

Random = Callable[[], float]
"""Source of numbers from 0 to 1, such as `random.random`."""

_MOST_STEPS = 64
"""Number of growing delays; more would overflow a float, and every delay has reached its maximum long before."""


class Jitter(NamedTuple):
    """Range of the factors of a delay, drawn evenly, so that many callers that failed together do not come back
    together.
    """

    least: float
    most: float

    @classmethod
    def below(cls, share: float) -> Jitter:
        """Shorten the delay by a random part of at most `share`."""
        return cls(1 - share, 1.0)

    @classmethod
    def around(cls, share: float) -> Jitter:
        """Shorten or lengthen the delay by a random part of at most `share`."""
        return cls(1 - share, 1 + share)

    def apply(self, delay_s: float, random: Random = random.random) -> float:
        """Return the delay times a factor: the most for a drawn 0, the least for 1."""
        return delay_s * (self.most - (self.most - self.least) * random())


NONE = Jitter(1.0, 1.0)
HALF = Jitter.below(0.5)
"""From half of the delay to all of it."""
FULL = Jitter.below(1.0)
"""From nothing to all of the delay: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays in seconds: `base_s` after the first failure, each `factor` times the one before, at most `max_s`.

    `asked` says what becomes of a pause that the other side asks for. It is `added` to the delay, so that those who
    were refused together do not come back together; or it is the `least` delay, for a caller on its own.
    """

    base_s: float
    max_s: float
    factor: float = 2.0
    jitter: Jitter = NONE
    asked: Literal["added", "least"] = "added"

    @classmethod
    def constant(cls, delay_s: float, jitter: Jitter = NONE, asked: Literal["added", "least"] = "added") -> Backoff:
        """Wait `delay_s` after each failure."""
        return cls(delay_s, delay_s, 1.0, jitter, asked)

    def planned_s(self, failures: int) -> float:
        """Return the delay after so many failures, from 1, without jitter."""
        steps = min(max(failures, 1) - 1, _MOST_STEPS)
        return min(self.base_s * self.factor**steps, self.max_s)

    def delay_s(self, failures: int, asked_s: float | None = None, random: Random = random.random) -> float:
        """Return the delay after so many failures, from 1, if the other side asks for a pause of `asked_s`."""
        delay_s = self.jitter.apply(self.planned_s(failures), random)
        if asked_s is None:
            return delay_s
        return asked_s + delay_s if self.asked == "added" else max(asked_s, delay_s)


async def retry(
    attempt: Callable[[], Awaitable[T]],
    backoff: Backoff,
    on: type[E] | tuple[type[E], ...],
    *,
    timeout_s: float = inf,
    failed: Callable[[E, int], None] | None = None,
    clock: Clock | None = None,
    random: Random = random.random,
) -> T:
    """Return the result of `attempt`, which is repeated after errors of the kinds `on`.

    Raises the last of them once `timeout_s` seconds are over; the last delay ends at that time, and an attempt is made
    then. `failed` is called with each error before the delay, and with the number of errors so far; what it raises ends
    the retries. A pause that the error asks for in `retry_after_s` is observed.
    """
    clock, failures = clock or SystemClock(), 0
    until = clock.monotonic() + timeout_s
    while True:
        try:
            return await attempt()
        except on as error:
            left_s = until - clock.monotonic()
            if left_s <= 0:
                raise
            failures += 1
            if failed is not None:
                failed(error, failures)
            delay_s = backoff.delay_s(failures, getattr(error, "retry_after_s", None), random)
        await clock.sleep(min(delay_s, left_s))
