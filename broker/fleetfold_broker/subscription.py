"""What is heard: a message as it came, and a subscription that outlives its connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from nats.aio.client import Client

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
