"""The event hub: passes each event to its subscribers, synchronously, in order of publication and of declaration.

A subscriber is a plain function: it returns at once, and puts I/O on a task or a queue of its own. One that raises is
logged, and hinders neither the others nor the publisher. An event that a subscriber publishes is delivered after the
present one, so all subscribers see all events in the same order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import structlog

from fleetfold_master.events.event_types import Event

__all__ = [
    "Announce",
    "EventHub",
    "Publish",
    "Subscription",
    "announce_to_nobody",
    "publish_to_nobody",
    "subscribe",
]

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=Event)

Publish = Callable[[Event], None]
"""Publishes an event. Never raises, and returns when the subscribers have been called."""
Announce = Callable[[Event], Awaitable[None]]
"""Publishes a change of rows that the masters share. Returns when the other masters have reloaded them."""


class Subscription(NamedTuple):
    """A subscriber and the classes of its events, subclasses included."""

    kinds: tuple[type[Event], ...]
    receive: Callable[[Any], object]


def subscribe(receive: Callable[[E], object], *kinds: type[E]) -> Subscription:
    """Declare that `receive` is called with each event of these classes."""
    return Subscription(kinds, receive)


class EventHub:
    """The events of one lifetime. What is published before `open` is delivered by it, so nothing is lost at start."""

    def __init__(self) -> None:
        self._subscriptions: Sequence[Subscription] = ()
        self._receivers: dict[type[Event], list[Callable[[Any], object]]] = {}
        self._waiting = deque[Event]()
        self._is_open, self._delivering = False, False

    def open(self, subscriptions: Sequence[Subscription]) -> None:
        """Declare all subscribers, once, and deliver what was published before. Raises `RuntimeError` if it is open."""
        if self._is_open:
            raise RuntimeError("the event hub is open: declare each subscriber in the one list it is opened with")
        self._subscriptions, self._is_open = tuple(subscriptions), True
        self._deliver()

    def publish(self, event: Event) -> None:
        """Deliver an event; from within a subscriber, after the event that is being delivered."""
        if self._is_open and not self._receivers_of(type(event)):
            return
        self._waiting.append(event)
        if self._is_open and not self._delivering:
            self._deliver()

    def _deliver(self) -> None:
        self._delivering = True
        try:
            while self._waiting:
                event = self._waiting.popleft()
                for receive in self._receivers_of(type(event)):
                    _call(receive, event)
        finally:
            self._delivering = False

    def _receivers_of(self, kind: type[Event]) -> list[Callable[[Any], object]]:
        if (known := self._receivers.get(kind)) is None:
            known = [each.receive for each in self._subscriptions if issubclass(kind, each.kinds)]
            self._receivers[kind] = known
        return known


def publish_to_nobody(_event: Event) -> None:
    """Default of `Publish`, for a part that is used without a master: do nothing."""


async def announce_to_nobody(_event: Event) -> None:
    """Default of `Announce`, for a part that is used without a master: do nothing."""


def _call(receive: Callable[[Any], object], event: Event) -> None:
    try:
        receive(event)
    except Exception:  # a defect of one subscriber must not hinder the others, nor what has happened
        log.exception("event.subscriber_failed", kind=type(event).__name__, subscriber=_name(receive))


def _name(receive: Callable[[Any], object]) -> str:
    return getattr(receive, "__qualname__", repr(receive))
