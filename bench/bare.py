"""The floor: the same traffic over nats-py alone, with nothing durable but JetStream and nothing decoded."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Self

from nats.aio.client import Client
from nats.aio.msg import Msg

__all__ = ["BareBus", "answer_bare"]

STREAM, SUBJECT = "BENCH", "bench.cmd"
EVERYBODY = "bench.ask"
PAYLOAD = b'{"id":"j.0123456789abcdef01234567.worker","attempt":1,"action":"noop","timeout_s":60.0}'


class _Round:
    """A question under way: how many answers are missing, and whether one of them was the broker's no."""

    def __init__(self, missing: int) -> None:
        self.missing, self.refused = missing, False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class BareBus:
    """One nats-py connection and one inbox. `async with await BareBus.connect(url)`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._numbers = count()
        self._waiting: dict[str, _Round] = {}

    @classmethod
    async def connect(cls, url: str) -> Self:
        """Connect and listen at the inbox."""
        client = Client()
        await client.connect(url)
        bus = cls(client)
        await client.subscribe(f"{bus._inbox}.*", cb=bus._receive)
        return bus

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def make_stream(self) -> None:
        """A work queue on file, as the fleet's commands have."""
        await self._client.jetstream().add_stream(name=STREAM, subjects=[SUBJECT], retention="workqueue")

    async def empty_stream(self) -> None:
        """Drop what was published: it shall not weigh on what comes next."""
        await self._client.jetstream().purge_stream(STREAM)

    async def publish_and_ack(self) -> None:
        """Return when JetStream has stored one message of a command's size."""
        await self._ask(SUBJECT, PAYLOAD, 1)

    async def publish_by_library(self) -> None:
        """The same by nats-py's own JetStream client."""
        await self._client.jetstream().publish(SUBJECT, PAYLOAD)

    async def ask_everybody(self, nodes: int) -> None:
        """One question, heard by all; return with the last of `nodes` answers."""
        await self._ask(EVERYBODY, b"", nodes)

    async def _ask(self, subject: str, payload: bytes, answers: int) -> None:
        reply = f"{self._inbox}.{next(self._numbers)}"
        waited = self._waiting[reply] = _Round(answers)
        await self._client.publish(subject, payload, reply=reply)
        await waited.done
        if waited.refused:
            raise RuntimeError(f"the broker refused {subject}, so the figure would mean nothing")

    async def _receive(self, message: Msg) -> None:
        waited = self._waiting[message.subject]
        waited.missing -= 1
        waited.refused = waited.refused or b'"error"' in message.data or message.headers is not None
        if waited.missing == 0:
            del self._waiting[message.subject]
            waited.done.set_result(None)


async def answer_bare(url: str) -> Client:
    """A node of the floor: answers every question at once."""
    client = Client()
    await client.connect(url)

    async def answer(message: Msg) -> None:
        await client.publish(message.reply, b"{}")

    await client.subscribe(EVERYBODY, cb=answer)
    await client.flush()
    return client
