"""Events that the masters store under the caller's name, such as its callbacks: `fleet.events`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from fleetfold.caller import Caller
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import MESSAGE_ID

__all__ = ["Events", "OwnEvent"]


class OwnEvent(msgspec.Struct, frozen=True):
    """An event: its `id`, the same when it is delivered twice, its `type` as the callback named it, and its content."""

    id: str
    type: str
    data: Any


class Events:
    """Events under the caller's own name, such as its callbacks."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def follow(self) -> AsyncGenerator[OwnEvent, None]:
        """Yield the events under this caller's name as they arrive, from the first `async for` on, without end.

        Events that were sent before are not repeated; the stream `FLEET_EVT` holds them for a week.
        """
        bus = self._caller.bus
        heard: asyncio.Queue[Incoming] = asyncio.Queue()
        start = bus.subjects.notify(bus.caller, "")
        unsubscribe = await bus.connection.subscribe(bus.subjects.notify(bus.caller), heard.put)
        try:
            await bus.connection.barrier()
            while True:
                message = await heard.get()
                event_id = (message.headers or {}).get(MESSAGE_ID, "")
                yield OwnEvent(event_id, message.subject.removeprefix(start), msgspec.json.decode(message.data))
        finally:
            await unsubscribe()
