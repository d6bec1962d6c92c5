"""Events that the masters store: under their own name, and under a caller's what that caller asked to be told.

The stream of events says nothing to who writes to it: it repeats the headers of what it has stored on `kept.<name>`,
see `Kept`. A word that goes missing there is looked up in the stream. The event's id is the message's: the broker drops
what it has stored under it within the last minutes.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.jetstream.topology import EVENTS
from fleetfold_broker.rpc.headers import KEPT, MESSAGE_ID
from fleetfold_shared.errors import Unavailable

__all__ = ["EventStore"]

STORED_WITHIN_S = 2.0
MOST_HEARD = 1000
"""Callers whose confirmations are heard at once; the first one gives way."""


class _Stored(msgspec.Struct):
    hdrs: str = ""


class _Found(msgspec.Struct):
    message: _Stored | None = None


_found = msgspec.json.Decoder(_Found)


class EventStore:
    """Stores events durably, and tells them to who listens. `close` ends the listening."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._open: dict[str, asyncio.Future[None]] = {}
        self._heard: dict[str, Callable[[], Awaitable[None]]] = {}
        self._hearing = asyncio.Lock()

    async def publish(self, name: str, kind: str, data: bytes, event_id: str) -> None:
        """Return when the broker has stored the event `kind` under `name`, perhaps twice; then who listens has it too.

        `Unavailable` when the broker does not say so in time: it may be stored all the same. `TooLarge` when it never
        can be.
        """
        await self._hear(name)
        subject = self._bus.subjects.event(name, kind)
        key = f"{name} {event_id}"
        stored = self._open[key] = asyncio.get_running_loop().create_future()
        try:
            await self._bus.link.publish(subject, data, headers={MESSAGE_ID: event_id, KEPT: event_id})
            async with asyncio.timeout(STORED_WITHIN_S):
                await stored
        except TimeoutError:
            if not await self._is_last(subject, event_id):
                raise Unavailable(f"{subject}: the broker does not say that it is stored") from None
        finally:
            del self._open[key]
        await self._bus.link.publish(self._bus.subjects.tell(name, kind), data, headers={MESSAGE_ID: event_id})

    async def close(self) -> None:
        """Hear no more."""
        while self._heard:
            await self._heard.pop(next(iter(self._heard)))()

    async def _hear(self, name: str) -> None:
        """What is stored under `name`, from now on: in a cluster the word of the first event may pass us by."""
        async with self._hearing:
            if name in self._heard:
                return
            if len(self._heard) >= MOST_HEARD:
                await self._heard.pop(next(iter(self._heard)))()
            self._heard[name] = await self._bus.subscribe(f"{self._bus.subjects.kept(name)}.>", self._stored)

    async def _stored(self, message: Incoming) -> None:
        name = self._bus.subjects.token(message.subject, 1)  # as the broker has it: nobody confirms for another
        stored = self._open.get(f"{name} {(message.headers or {}).get(KEPT, '')}")
        if stored is not None and not stored.done():
            stored.set_result(None)

    async def _is_last(self, subject: str, event_id: str) -> bool:
        """Whether the last event stored there is this one."""
        ask = msgspec.json.encode({"last_by_subj": subject})
        answer = await self._bus.ask(f"$JS.API.STREAM.MSG.GET.{EVENTS}", ask, STORED_WITHIN_S)
        found = _found.decode(answer.data).message
        return found is not None and f"{MESSAGE_ID}: {event_id}\r\n".encode() in base64.b64decode(found.hdrs)
