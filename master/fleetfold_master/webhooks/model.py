"""A delivery: one message to one recipient, until it has arrived."""

from __future__ import annotations

import msgspec

from fleetfold_shared.backoff import Backoff, Jitter
from fleetfold_shared.messages import EndType

__all__ = ["BACKOFF", "MOST_TRIES", "Delivery", "NotDelivered", "Undeliverable"]

BACKOFF = Backoff(1.0, 3600.0, jitter=Jitter.around(0.2), asked="least")
MOST_TRIES = 36
"""With the pauses between them about a day. Tries are counted rather than timed: an absent master does not try."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the outbox: it is published as the event `subject` under `name`, or posted to `url`.

    `type` says what happened, and `record` to which job or transaction, whose present state is sent. `place` is the
    destination server, empty for the broker. It is tried at `due_at` (Unix seconds); None means abandoned after
    `tries`, because of `error`. Its `id` is the same at each try, and cannot be guessed; its `mark` identifies the
    end that it reports: one delivery per end.
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
        """The recipient, as operators know it."""
        return self.url or f"evt.{self.name}.{self.subject}"


class NotDelivered(Exception):
    """This try has failed, and a later one may succeed; `after_s` is how long the recipient asks to wait."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Undeliverable(Exception):
    """No try can ever succeed."""
