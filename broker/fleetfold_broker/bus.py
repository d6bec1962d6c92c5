"""The message bus, seen by one identity: publish, request, subscribe, and publish to a stream."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import Any, Self, TypeVar

import msgspec

from fleetfold_broker.connection.options import ConnectionOptions, CredentialSource
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.connection.supervised import SupervisedConnection
from fleetfold_broker.rpc.headers import MESSAGE_ID, deadline
from fleetfold_broker.rpc.hedging import Hedge, HedgedRequest
from fleetfold_broker.rpc.request_client import Meanwhile, RequestClient
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.backoff import Backoff, retry
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Overloaded, Unavailable
from fleetfold_shared.messages import Message, decode, encode

__all__ = ["Bus"]

T = TypeVar("T", bound=Message)

QUEUE_FULL = {10047, 10048, 10054, 10077}
"""JetStream's err_codes for «insufficient storage», «maximum messages», «bytes» and «per subject» exceeded."""
BACKOFF = Backoff.constant(0.1)
STORED_WITHIN_S = 5.0
"""Seconds that one attempt waits for JetStream's acknowledgement."""


class _PubAck(msgspec.Struct):
    stream: str = ""
    seq: int = 0
    error: dict[str, Any] | None = None


_ack_decoder = msgspec.json.Decoder(_PubAck)


class Bus:
    """One identity's access to the bus: its connection, its open requests and the fleet's subjects.

    `async with await Bus.connect(...)` closes it at the end.
    """

    def __init__(self, connection: SupervisedConnection, subjects: Subjects) -> None:
        self.connection = connection
        self.subjects = subjects
        self._requests = RequestClient(connection)
        self._hedge = Hedge(self._requests, subjects)

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
        """Connect as `caller`, with the token that `credential` supplies. Raises what `SupervisedConnection.start`
        raises.
        """
        options = ConnectionOptions(url=url, caller=caller, credential=credential, tls=tls)
        return await cls.open(options, subjects, patient=patient)

    @classmethod
    async def open(cls, options: ConnectionOptions, subjects: Subjects | None = None, *, patient: bool = False) -> Bus:
        """Connect with a full set of `options`; otherwise like `connect`."""
        bus = cls(SupervisedConnection(options), subjects or Subjects())
        await bus.connection.start(patient=patient)
        await bus._requests.start()
        return bus

    @property
    def caller(self) -> str:
        """Name of the identity that this connection belongs to."""
        return self.connection.options.caller

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Send what is pending and close the connection."""
        await self.connection.close()

    async def publish(self, subject: str, message: Message, reply: str = "") -> None:
        """Publish `message` over core NATS: no acknowledgement, no storage."""
        await self.connection.publish(subject, encode(message), reply)

    async def request(self, subject: str, message: Message, kind: type[T], timeout_s: float) -> T:
        """Send a request and decode the reply as `kind`. Raises the typed error of the reply, `Unavailable` or
        `DeadlineExceeded`.
        """
        return decode((await self.ask(subject, encode(message), timeout_s)).data, kind)

    async def ask(self, subject: str, data: bytes, timeout_s: float) -> Incoming:
        """Send a request in bytes and return the raw reply. The remaining time is sent in the deadline header."""
        return await self._requests.ask(subject, data, timeout_s, deadline(timeout_s))

    async def ask_api(self, verb: str, data: bytes, timeout_s: float, *, repeatable: bool) -> Incoming:
        """Send an API request to a master and return the raw reply, within `timeout_s`. A master that hangs does not
        get it, or not it alone: one that is `repeatable` is sent to another as well (`hedging`), any other to one
        that has just said that it is there.
        """
        headers = deadline(timeout_s)
        if repeatable:
            meanwhile = self.hedging(verb, data, timeout_s)
            return await self._requests.ask(self.subjects.api(self.caller, verb), data, timeout_s, headers, meanwhile)
        until = asyncio.get_running_loop().time() + timeout_s
        master = await self._hedge.find(self.caller)
        subjects, caller = self.subjects, self.caller
        subject = subjects.api(caller, verb) if master is None else subjects.direct(caller, master, verb)
        left_s = max(0.0, until - asyncio.get_running_loop().time())
        return await self._requests.ask(subject, data, left_s, deadline(left_s))

    def hedging(self, verb: str, data: bytes, timeout_s: float, headers: dict[str, str] | None = None) -> Meanwhile:
        """Return what has a live master work on an API request while its reply is awaited."""
        until = asyncio.get_running_loop().time() + timeout_s
        return partial(self._hedge.keep_alive, HedgedRequest(self.caller, verb, data, headers or {}, until))

    async def publish_durably(
        self, subject: str, message: Message, message_id: str | None = None, timeout_s: float = 10.0
    ) -> None:
        """Publish `message` to a stream; return when JetStream has stored it.

        Retries with the same `message_id` while the connection or the stream is unavailable, so the message is stored
        once; without an id it may be stored twice. Raises `Overloaded` when the queue is full, `Unavailable` after
        `timeout_s`.
        """
        headers = None if message_id is None else {MESSAGE_ID: message_id}
        await self.store(subject, encode(message), headers, timeout_s)

    async def store(self, subject: str, data: bytes, headers: dict[str, str] | None, timeout_s: float) -> None:
        """Do the same as `publish_durably` for encoded `data` with the caller's own headers."""
        store = partial(self._store, subject, data, headers, min(STORED_WITHIN_S, timeout_s))
        try:
            await retry(store, BACKOFF, (Unavailable, DeadlineExceeded), timeout_s=timeout_s)
        except (Unavailable, DeadlineExceeded) as error:
            raise Unavailable(f"{subject} could not be stored within {timeout_s:g} s: {error.message}") from None

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
