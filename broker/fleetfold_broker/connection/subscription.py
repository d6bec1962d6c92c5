"""Subscriptions that outlive their connection, and the shape of a received message."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from nats.aio.client import Client
from nats.errors import Error as NatsError

from fleetfold_broker.connection.nats_connection import leave

__all__ = ["Callback", "Incoming", "Subscription"]


class Incoming(Protocol):
    """A received message."""

    subject: str
    reply: str
    data: bytes
    headers: dict[str, str] | None


Callback = Callable[[Any], Awaitable[None]]


class Subscription:
    """A subscription to one subject, attached to the current connection."""

    def __init__(self, subject: str, queue: str, callback: Callback) -> None:
        self.subject, self.queue, self.callback = subject, queue, callback
        self.client: Client | None = None
        self.current: Any = None

    async def attach(self, client: Client) -> Any:
        """Subscribe on `client` and return nats-py's subscription."""
        self.client = client
        # No pending limits: nats-py silently drops messages when its queue is full.
        self.current = await client.subscribe(
            self.subject, queue=self.queue, cb=self.callback, pending_msgs_limit=0, pending_bytes_limit=0
        )
        return self.current

    async def detach(self) -> None:
        """Unsubscribe. In a queue group, messages already routed to this member are still handled."""
        if self.client is None or self.current is None:
            return
        if self.queue and self.client.is_connected:
            await leave(self.client, self.current)
            return
        with contextlib.suppress(NatsError, OSError):
            await self.current.unsubscribe()
