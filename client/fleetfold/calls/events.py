"""Client calls about events: those that the masters store under the caller's name, such as its callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from fleetfold.caller import Caller
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import MESSAGE_ID

__all__ = ["EventCalls", "OwnEvent"]


class OwnEvent(msgspec.Struct, frozen=True):
    """An event: its `id`, the same when it comes twice, its `type` as the callback named it, and what it says."""

    id: str
    type: str
    data: Any


class EventCalls(Caller):
    """Events."""

    async def own_events(self) -> AsyncGenerator[OwnEvent, None]:
        """The events under this caller's name, from the first `async for` on, as they come; for ever.

        What is said while nobody listens is not said again here: it is in the stream `FLEET_EVT`, for a week.
        """
        heard: asyncio.Queue[Incoming] = asyncio.Queue()
        start = self._bus.subjects.notify(self._bus.caller, "")
        unsubscribe = await self._bus.subscribe(self._bus.subjects.notify(self._bus.caller), heard.put)
        try:
            await self._bus.connection.barrier()
            while True:
                message = await heard.get()
                event_id = (message.headers or {}).get(MESSAGE_ID, "")
                yield OwnEvent(event_id, message.subject.removeprefix(start), msgspec.json.decode(message.data))
        finally:
            await unsubscribe()
