"""What is heard: a message as it came, and a subscription that outlives its connection."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from nats.aio.client import Client
from nats.errors import Error as NatsError

from fleetfold_broker.connection.nats_connection import leave

__all__ = ["Callback", "Incoming", "Subscription"]


class Incoming(Protocol):
    """A message as it came."""

    subject: str
    reply: str
    data: bytes
    headers: dict[str, str] | None


Callback = Callable[[Any], Awaitable[None]]


class Subscription:
    """One subject to be heard, whatever connection is up."""

    def __init__(self, subject: str, queue: str, callback: Callback) -> None:
        self.subject, self.queue, self.callback = subject, queue, callback
        self.client: Client | None = None
        self.current: Any = None

    async def attach(self, client: Client) -> Any:
        """Hear it on `client` from now on."""
        self.client = client
        # No pending limits: a full queue would drop messages without a word.
        self.current = await client.subscribe(
            self.subject, queue=self.queue, cb=self.callback, pending_msgs_limit=0, pending_bytes_limit=0
        )
        return self.current

    async def detach(self) -> None:
        """Hear no more of it. Of a group, what has been given to this member is still heard."""
        if self.client is None or self.current is None:
            return
        if self.queue and self.client.is_connected:
            await leave(self.client, self.current)
            return
        with contextlib.suppress(NatsError, OSError):
            await self.current.unsubscribe()
