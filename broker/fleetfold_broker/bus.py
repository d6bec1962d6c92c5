"""The bus as the rooms see it: publish, request, subscribe, and publish durably."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import msgspec

from fleetfold_broker.connection.options import ConnectionOptions, CredentialSource
from fleetfold_broker.connection.subscription import Callback, Incoming
from fleetfold_broker.connection.supervised import SupervisedConnection
from fleetfold_broker.rpc.headers import MESSAGE_ID, deadline
from fleetfold_broker.rpc.request_client import RequestClient
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Overloaded, Unavailable
from fleetfold_shared.messages import Message, decode, encode

__all__ = ["Bus"]

T = TypeVar("T", bound=Message)

QUEUE_FULL = {10047, 10048, 10054, 10077}
"""JetStream's err_codes for «insufficient storage», «maximum messages», «bytes» and «per subject» exceeded."""
RETRY_S = 0.1
STORED_WITHIN_S = 5.0
"""How long one try waits for JetStream's word."""


class _PubAck(msgspec.Struct):
    stream: str = ""
    seq: int = 0
    error: dict[str, Any] | None = None


_ack_decoder = msgspec.json.Decoder(_PubAck)


class Bus:
    """One identity on the bus: a link, its requests and its subjects. `async with Bus.connect(...)` opens and parts."""

    def __init__(self, link: SupervisedConnection, subjects: Subjects) -> None:
        self.link = link
        self.subjects = subjects
        self._requests = RequestClient(link)

    @classmethod
    async def connect(
        cls,
        url: str,
        caller: str,
        subjects: Subjects | None = None,
        *,
        credential: CredentialSource | None = None,
        tls: ssl.SSLContext | None = None,
        patient: bool = False,
    ) -> Bus:
        """A bus that is up as `caller`, which shows what `credential` gives; for the errors see
        `SupervisedConnection.start`.
        """
        options = ConnectionOptions(url=url, caller=caller, credential=credential, tls=tls)
        return await cls.open(options, subjects, patient=patient)

    @classmethod
    async def open(cls, options: ConnectionOptions, subjects: Subjects | None = None, *, patient: bool = False) -> Bus:
        """`connect` with every option there is."""
        bus = cls(SupervisedConnection(options), subjects or Subjects())
        await bus.link.start(patient=patient)
        await bus._requests.start()
        return bus

    @property
    def caller(self) -> str:
        """The identity this side speaks as."""
        return self.link.options.caller

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Part from the broker."""
        await self.link.close()

    async def subscribe(self, subject: str, callback: Callback, queue: str = "") -> Callable[[], Awaitable[None]]:
        """Hear `subject`, one message at a time, so `callback` must return quickly. Returns what ends it."""
        return await self.link.subscribe(subject, callback, queue)

    async def publish(self, subject: str, message: Message, reply: str = "") -> None:
        """Say `message`, to whoever listens."""
        await self.link.publish(subject, encode(message), reply)

    async def request(self, subject: str, message: Message, kind: type[T], timeout_s: float) -> T:
        """Ask and decode the answer as `kind`; raises the typed error the other side answered with."""
        return decode((await self.ask(subject, encode(message), timeout_s)).data, kind)

    async def ask(self, subject: str, data: bytes, timeout_s: float) -> Incoming:
        """`request` in bytes. The remaining time travels along."""
        return await self._requests.ask(subject, data, timeout_s, deadline(timeout_s))

    async def publish_durably(
        self, subject: str, message: Message, message_id: str | None = None, timeout_s: float = 10.0
    ) -> None:
        """Return when JetStream has stored `message`. Tries again while the link or the stream is away, with the same
        id, so that it is stored once; without an id perhaps twice. `Overloaded` when the queue is full, `Unavailable`
        after `timeout_s`.
        """
        headers = None if message_id is None else {MESSAGE_ID: message_id}
        await self.store(subject, encode(message), headers, timeout_s)

    async def store(self, subject: str, data: bytes, headers: dict[str, str] | None, timeout_s: float) -> None:
        """`publish_durably` in bytes, with headers of one's own."""
        until = asyncio.get_running_loop().time() + timeout_s
        while True:
            try:
                return await self._store(subject, data, headers, min(STORED_WITHIN_S, timeout_s))
            except (Unavailable, DeadlineExceeded) as error:
                remaining = until - asyncio.get_running_loop().time()
                if remaining <= 0:
                    raise Unavailable(
                        f"{subject} could not be stored within {timeout_s:g} s: {error.message}"
                    ) from None
                await asyncio.sleep(min(RETRY_S, remaining))

    async def _store(self, subject: str, data: bytes, headers: dict[str, str] | None, timeout_s: float) -> None:
        reply = await self._requests.ask(subject, data, timeout_s, headers)
        ack = _ack_decoder.decode(reply.data)
        if ack.error is not None:
            raise _store_error(subject, ack.error)


def _store_error(subject: str, error: dict[str, Any]) -> FleetfoldError:
    what = error.get("description", "no reason given")
    if error.get("err_code") in QUEUE_FULL or "exceeded" in what:
        return Overloaded(f"the queue {subject} is full ({what}); wait until its node has caught up")
    return Unavailable(f"the broker did not store {subject}: {what}")
