"""Confirmed publishing to a stream, for identities without JetStream permissions.

The streams that nodes write to acknowledge nothing; they republish the headers of stored messages on `confirm.<node>`,
with the node's name from the subject, which the broker has verified. Reasons: docs/decisions/0005.
"""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import CONFIRM
from fleetfold_shared.backoff import HALF, Backoff, retry
from fleetfold_shared.concurrency import fail_if_open, resolve_if_open
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Message, encode

__all__ = ["ConfirmedPublisher"]

STORED_WITHIN_S = 2.0
"""Seconds that one attempt waits for the broker's confirmation."""
BACKOFF = Backoff(0.1, 2.0, jitter=HALF)
"""Pauses between two attempts: a full stream confirms nothing, and needs time."""


class ConfirmedPublisher:
    """Publisher that returns when the broker has stored the message. Uses only the identity's own subjects."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._run, self._numbers = new_id(), count(1)
        self._open: dict[str, asyncio.Future[None]] = {}
        bus.connection.on_down(self._fail_all)

    async def start(self) -> None:
        """Subscribe to confirmations."""
        await self._bus.connection.subscribe(self._bus.subjects.confirm(self._bus.caller), self._stored)

    async def publish(self, subject: str, message: Message, timeout_s: float = 10.0) -> None:
        """Publish `message` and return when it is stored; it may be stored twice.

        Retries while the connection or the stream is unavailable; raises `Unavailable` after `timeout_s`.
        """
        store = partial(self._store, subject, encode(message), min(STORED_WITHIN_S, timeout_s))
        try:
            await retry(store, BACKOFF, Unavailable, timeout_s=timeout_s)
        except Unavailable:
            raise Unavailable(f"{subject} could not be stored within {timeout_s:g} s") from None

    async def _store(self, subject: str, data: bytes, timeout_s: float) -> None:
        number = f"{self._run}.{next(self._numbers)}"
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        self._open[number] = stored
        timer = loop.call_later(timeout_s, _give_up, stored)
        try:
            await self._bus.connection.publish(subject, data, headers={CONFIRM: number})
            await stored
        finally:
            timer.cancel()
            del self._open[number]

    async def _stored(self, message: Incoming) -> None:
        stored = self._open.get((message.headers or {}).get(CONFIRM, ""))
        if stored is not None:
            resolve_if_open(stored, None)

    def _fail_all(self) -> None:
        for stored in self._open.values():
            fail_if_open(stored, Unavailable("the connection to the broker broke before it was stored"))


def _give_up(stored: asyncio.Future[None]) -> None:
    fail_if_open(stored, Unavailable("the broker does not say that it is stored"))
