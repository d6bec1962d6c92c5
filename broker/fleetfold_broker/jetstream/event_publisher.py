"""Event store of the masters: publishes events to the stream and confirms that they are stored.

The stream of events sends no acknowledgement to the publisher: it republishes the headers of stored messages on
`confirm.<name>`, see `ConfirmedPublisher`. When that message is lost, the stream itself is read. The event's id is the
message id, so the broker drops duplicates within its deduplication window.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.jetstream.topology import EVENTS
from fleetfold_broker.rpc.headers import CONFIRM, MESSAGE_ID
from fleetfold_shared.concurrency import resolve_if_open
from fleetfold_shared.errors import Unavailable

__all__ = ["EventStore"]

STORED_WITHIN_S = 2.0
MOST_SUBSCRIBED = 1000
"""Most callers whose confirmations are subscribed to at once; the oldest is dropped for a new one."""


class _Stored(msgspec.Struct):
    hdrs: str = ""


class _Found(msgspec.Struct):
    message: _Stored | None = None


_found = msgspec.json.Decoder(_Found)


class EventStore:
    """Publishes events to the stream, and then to live subscribers. `close` ends its subscriptions."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._open: dict[str, asyncio.Future[None]] = {}
        self._subscriptions: dict[str, Callable[[], Awaitable[None]]] = {}
        self._subscribing = asyncio.Lock()

    async def publish(self, name: str, kind: str, data: bytes, event_id: str) -> None:
        """Store the event `kind` under `name`, then send it to live subscribers; it may be stored twice.

        Raises `Unavailable` when the broker does not confirm in time (the event may be stored all the same), `TooLarge`
        when it can never be stored.
        """
        await self._subscribe(name)
        subject = self._bus.subjects.event(name, kind)
        key = f"{name} {event_id}"
        stored = self._open[key] = asyncio.get_running_loop().create_future()
        try:
            await self._bus.connection.publish(subject, data, headers={MESSAGE_ID: event_id, CONFIRM: event_id})
            async with asyncio.timeout(STORED_WITHIN_S):
                await stored
        except TimeoutError:
            if not await self._is_last(subject, event_id):
                raise Unavailable(f"{subject}: the broker does not say that it is stored") from None
        finally:
            del self._open[key]
        await self._bus.connection.publish(self._bus.subjects.notify(name, kind), data, headers={MESSAGE_ID: event_id})

    async def close(self) -> None:
        """Unsubscribe from all confirmations."""
        while self._subscriptions:
            await self._subscriptions.pop(next(iter(self._subscriptions)))()

    async def _subscribe(self, name: str) -> None:
        """Subscribe to confirmations for `name`. In a cluster, the confirmation of the first event may be missed."""
        async with self._subscribing:
            if name in self._subscriptions:
                return
            if len(self._subscriptions) >= MOST_SUBSCRIBED:
                await self._subscriptions.pop(next(iter(self._subscriptions)))()
            subject = f"{self._bus.subjects.confirm(name)}.>"
            self._subscriptions[name] = await self._bus.connection.subscribe(subject, self._stored)

    async def _stored(self, message: Incoming) -> None:
        name = self._bus.subjects.token(message.subject, 1)  # the name from the subject, which the broker has verified
        stored = self._open.get(f"{name} {(message.headers or {}).get(CONFIRM, '')}")
        if stored is not None:
            resolve_if_open(stored, None)

    async def _is_last(self, subject: str, event_id: str) -> bool:
        """Tell whether the last event stored on `subject` is this one."""
        ask = msgspec.json.encode({"last_by_subj": subject})
        answer = await self._bus.ask(f"$JS.API.STREAM.MSG.GET.{EVENTS}", ask, STORED_WITHIN_S)
        found = _found.decode(answer.data).message
        return found is not None and f"{MESSAGE_ID}: {event_id}\r\n".encode() in base64.b64decode(found.hdrs)
