"""A circuit breaker for each node: after some failures in a row it is left out, and tried again now and then.

Closed, the node is asked. Open, it is not. When its time has come it is half open: one question goes to it as a trial,
beside those that matter. An answer closes the breaker, however it came about; a failed trial doubles the time until
the next one, which is spread by chance, so that masters do not try together.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from fleetfold_shared.clock import Clock, SystemClock

__all__ = ["OPENS_AFTER", "BreakerState", "Breakers"]

log = structlog.get_logger(__name__)

OPENS_AFTER = 3
FIRST_S, MOST_S = 1.0, 30.0
SPREAD = 0.2
TRIAL_S = 10.0
"""After which time a trial of which nothing was heard counts as lost, and another may be made."""

BreakerState = Literal["closed", "half_open", "open"]


@dataclass(slots=True)
class _Breaker:
    life: int
    failures: int = 0
    failed_at: float = 0.0
    why: str = ""
    wait_s: float = 0.0
    again_at: float = 0.0
    trial_at: float | None = None

    @property
    def is_open(self) -> bool:
        return self.wait_s > 0


class Breakers:
    """The breakers of all nodes, by the monotonic clock.

    `life` counts how often a node has come anew: each time it is innocent of what it did before.
    """

    def __init__(
        self, life: Callable[[str], int], clock: Clock | None = None, chance: random.Random | None = None
    ) -> None:
        self._life, self._clock = life, clock or SystemClock()
        self._chance = chance or random.Random()  # noqa: S311 (spreads load, keeps no secret)
        self._breakers: dict[str, _Breaker] = {}

    def state(self, node: str) -> BreakerState:
        """What to do with a question to the node; `half_open` when it may be tried."""
        breaker = self._of(node)
        if breaker is None or not breaker.is_open:
            return "closed"
        now = self._clock.monotonic()
        tried = breaker.trial_at is not None and now < breaker.trial_at + TRIAL_S
        return "open" if tried or now < breaker.again_at else "half_open"

    def is_open(self, node: str) -> bool:
        """Whether its answers cannot be counted on."""
        return self.state(node) != "closed"

    def reason(self, node: str) -> str:
        """Why its breaker is open, and when it is tried again."""
        breaker = self._of(node)
        if breaker is None or not breaker.is_open:
            return ""
        failed = f"it failed {breaker.failures} times in a row, at last: {breaker.why}"
        left_s = breaker.again_at - self._clock.monotonic()
        if breaker.trial_at is not None or left_s <= 0:
            return f"{failed}; it is being tried again"
        return f"{failed}; tried again in {left_s:.1f} s"

    def tried(self, node: str) -> None:
        """A trial is under way."""
        if (breaker := self._of(node)) is not None:
            breaker.trial_at = self._clock.monotonic()

    def answered(self, node: str) -> None:
        """It has answered: whatever was, it is there and it works."""
        if (breaker := self._breakers.pop(node, None)) is not None and breaker.is_open:
            log.info("breaker.closed", node=node)

    def failed(self, node: str, age_s: float, why: str) -> None:
        """A question put to it `age_s` ago came to nothing, by the node's fault.

        Questions that were under way together fail together, and count once.
        """
        breaker, now = self._of(node), self._clock.monotonic()
        if breaker is None:
            breaker = self._breakers[node] = _Breaker(self._life(node))
        elif now - age_s < breaker.failed_at:
            return
        breaker.failures, breaker.failed_at, breaker.why = breaker.failures + 1, now, why
        if breaker.failures >= OPENS_AFTER:
            self._open(node, breaker, now)

    def _open(self, node: str, breaker: _Breaker, now: float) -> None:
        if not breaker.is_open:
            log.warning("breaker.opened", node=node, failures=breaker.failures, reason=breaker.why)
        breaker.wait_s = min(MOST_S, breaker.wait_s * 2) if breaker.is_open else FIRST_S
        breaker.again_at = now + breaker.wait_s * self._chance.uniform(1 - SPREAD, 1 + SPREAD)
        breaker.trial_at = None

    def _of(self, node: str) -> _Breaker | None:
        breaker = self._breakers.get(node)
        if breaker is not None and breaker.life != self._life(node):
            del self._breakers[node]
            return None
        return breaker
