"""Circuit breakers, one per node: after several failures in a row a node is left out, and tried again now and then.

Closed: the node is asked. Open: it is not. Half open, once its time has come: one request is sent as a trial,
beside those that matter. Any answer closes the breaker; a failed trial doubles the time until the next one, which
has jitter, so that the masters do not try at the same moment.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from fleetfold_master.events import BreakerClosed, BreakerOpened, Publish, publish_to_nobody
from fleetfold_shared.backoff import Backoff, Jitter
from fleetfold_shared.clock import Clock, SystemClock

__all__ = ["OPENS_AFTER", "BreakerState", "Breakers"]

log = structlog.get_logger(__name__)

OPENS_AFTER = 3
FIRST_S, MOST_S = 1.0, 30.0
SPREAD = 0.2
BACKOFF = Backoff(FIRST_S, MOST_S, jitter=Jitter.around(SPREAD))
TRIAL_S = 10.0
"""Seconds after which a trial without an outcome counts as lost, and another may be made."""

BreakerState = Literal["closed", "half_open", "open"]


@dataclass(slots=True)
class _Breaker:
    life: int
    failures: int = 0
    failed_at: float = 0.0
    why: str = ""
    openings: int = 0
    again_at: float = 0.0
    trial_at: float | None = None

    @property
    def is_open(self) -> bool:
        return self.openings > 0


class Breakers:
    """The breakers of all nodes, by the monotonic clock.

    `life` counts a node's restarts; failures of an earlier life do not count.
    """

    def __init__(
        self, life: Callable[[str], int], clock: Clock | None = None, chance: random.Random | None = None,
        publish: Publish = publish_to_nobody,
    ) -> None:  # fmt: skip
        self._life, self._clock, self._publish = life, clock or SystemClock(), publish
        self._chance = chance or random.Random()  # noqa: S311 (spreads load, keeps no secret)
        self._breakers: dict[str, _Breaker] = {}

    def state(self, node: str) -> BreakerState:
        """The breaker's state; `half_open` when a trial may be made."""
        breaker = self._of(node)
        if breaker is None or not breaker.is_open:
            return "closed"
        now = self._clock.monotonic()
        tried = breaker.trial_at is not None and now < breaker.trial_at + TRIAL_S
        return "open" if tried or now < breaker.again_at else "half_open"

    def is_open(self, node: str) -> bool:
        """Whether the breaker is open, so that the node's answers cannot be relied on."""
        return self.state(node) != "closed"

    def reason(self, node: str) -> str:
        """Why the breaker is open, and when the node is tried again."""
        breaker = self._of(node)
        if breaker is None or not breaker.is_open:
            return ""
        failed = f"it failed {breaker.failures} times in a row, at last: {breaker.why}"
        left_s = breaker.again_at - self._clock.monotonic()
        if breaker.trial_at is not None or left_s <= 0:
            return f"{failed}; it is being tried again"
        return f"{failed}; tried again in {left_s:.1f} s"

    def tried(self, node: str) -> None:
        """Record that a trial was sent."""
        if (breaker := self._of(node)) is not None:
            breaker.trial_at = self._clock.monotonic()

    def answered(self, node: str) -> None:
        """Record an answer: close the breaker."""
        if (breaker := self._breakers.pop(node, None)) is not None and breaker.is_open:
            log.info("breaker.closed", node=node)
            self._publish(BreakerClosed(node))

    def failed(self, node: str, age_s: float, why: str) -> None:
        """Record the failure, by the node's fault, of a request sent `age_s` seconds ago.

        Requests that were in flight at the same time fail at the same time, and count once.
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
        opens = not breaker.is_open
        breaker.openings += 1
        breaker.again_at = now + BACKOFF.delay_s(breaker.openings, random=self._chance.random)
        breaker.trial_at = None
        if opens:
            log.warning("breaker.opened", node=node, failures=breaker.failures, reason=breaker.why)
            self._publish(BreakerOpened(node, breaker.failures, breaker.why))

    def _of(self, node: str) -> _Breaker | None:
        breaker = self._breakers.get(node)
        if breaker is not None and breaker.life != self._life(node):
            del self._breakers[node]
            if breaker.is_open:
                self._publish(BreakerClosed(node))  # another process has taken its place
            return None
        return breaker
