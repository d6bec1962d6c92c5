"""One child's real credentials in the hands of somebody who writes to the broker with plain nats-py."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Self

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

__all__ = ["Intruder", "credentials"]

SETTLED_S = 0.05


def credentials(data: Path) -> dict[str, Any]:
    """The pair of tokens that a child keeps in its data directory."""
    pair: dict[str, Any] = msgspec.json.decode((data / "credentials.json").read_bytes())["pair"]
    return pair


class Intruder:
    """A bare connection as `name`, showing `token`; `refusals` is what the server has said no to, in its own words."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.refusals: list[str] = []
        self.heard: list[Msg] = []

    @classmethod
    async def connect(cls, url: str, name: str, token: str, *, inbox: str = "", **options: Any) -> Self:
        """Connect; raises what nats-py does when it is refused. `inbox` is what follows `_INBOX.`, if not the name."""
        client = Client()
        intruder = cls(client)
        quiet = {"allow_reconnect": False, "max_reconnect_attempts": 1, "connect_timeout": 5}
        try:
            await client.connect(
                servers=[url], name=name, token=token, inbox_prefix=f"_INBOX.{inbox or name}", error_cb=intruder._error,
                **{**quiet, **options},
            )  # fmt: skip
        except BaseException:
            if client._transport is not None:  # nats-py leaves it open
                client._transport.close()
                with contextlib.suppress(OSError):
                    await client._transport.wait_closed()
            raise
        return intruder

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def say(self, subject: str, data: bytes = b"{}", reply: str = "", **headers: str) -> list[str]:
        """Publish; what the server answers to that."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await self.client.publish(subject, data, reply=reply, headers=named or None)
        return await self._verdict()

    async def hear(self, subject: str, queue: str = "") -> list[str]:
        """Subscribe; what the server answers to that. What is heard goes to `heard`."""
        await self.client.subscribe(subject, queue=queue, cb=self._take)
        return await self._verdict()

    async def _verdict(self) -> list[str]:
        self.refusals.clear()
        await self.client.flush()
        await asyncio.sleep(0)
        await self.client.flush()
        return list(self.refusals)

    async def _take(self, message: Msg) -> None:
        self.heard.append(message)

    async def _error(self, error: Exception) -> None:
        self.refusals.append(str(error))
