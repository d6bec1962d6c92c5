"""A delivery: one thing that one party is to be told, until it has been."""

from __future__ import annotations

import random

import msgspec

from fleetfold_shared.messages import EndType

__all__ = ["MOST_TRIES", "Delivery", "NotDelivered", "Undeliverable", "pause_s"]

BACKOFF_S, BACKOFF_MAX_S, JITTER = 1.0, 3600.0, 0.2
MOST_TRIES = 36
"""With the pauses between them about a day. They are counted, not timed: a master that was away has not tried."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the outbox. What is delivered goes out as the event `subject` under `name`, or to `url`.

    `type` says what happened, `record` to which job or transaction: it is told as it stands then. `place` is the server
    that it goes to, empty for the broker. It is tried at `due_at` (Unix seconds); with none it was given up after
    `tries`, for `error`. Its `id` is the same whenever it is delivered, and nobody can guess it; its `mark` stands for
    the end that it tells of, and for one end there is one.
    """

    id: str
    mark: str
    type: EndType
    record: str
    name: str
    place: str
    created_at: float
    subject: str | None = None
    url: str | None = None
    due_at: float | None = None
    tries: int = 0
    error: str | None = None

    @property
    def target(self) -> str:
        """Whom it is for, as an operator knows it."""
        return self.url or f"evt.{self.name}.{self.subject}"


class NotDelivered(Exception):
    """This try has failed, and another may not; `after_s` is how long the other side asks to be left alone."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Undeliverable(Exception):
    """No try will ever succeed."""


def pause_s(tries: int) -> float:
    """Seconds to wait after the `tries`-th failure: 1, 2, 4 and so on to an hour, give or take a fifth."""
    wait: float = min(BACKOFF_S * 2.0 ** min(tries - 1, 30), BACKOFF_MAX_S)
    return wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 (spreads load, guards nothing)
