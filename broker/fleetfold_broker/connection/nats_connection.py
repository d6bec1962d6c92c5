"""A single nats-py connection: work-arounds for defects of nats-py, readable errors, and closing without loss."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import AuthorizationError, ConnectionClosedError
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout

from fleetfold_broker.connection.tls import explain
from fleetfold_broker.connection.transport import NatsTransport
from fleetfold_shared.concurrency import await_cancellable, cancel_all
from fleetfold_shared.errors import FleetfoldError, Unauthenticated, Unavailable, Untrusted
from fleetfold_shared.urls import redacted_url

__all__ = [
    "CalloutUnanswered", "NatsConnection", "all_sent", "failure", "leave", "on_error", "part", "reason", "retire",
    "size_of",
]  # fmt: skip

log = structlog.get_logger(__name__)

REFUSED, UNANSWERED = "Authorization Violation", "Authentication Timeout"
"""Texts of the server's `-ERR` for a connection that is not admitted."""
PING, PONG = b"PING", b"PONG\r\n"
BLANK = " \t\n\r\x0b\x0c"
RETIRE_S = 30.0
"""Seconds that a replaced connection has to handle the messages it has received."""
ORDERED_TRIES = 20
"""Most flushes of `all_sent`, for a connection on which messages are published all the time."""
LEAVE_S = 1.0


class CalloutUnanswered(Unavailable):
    """The broker requires credentials, and no master has answered its auth callout."""


class NatsConnection(Client):
    """nats-py's client, which reports its end in every case, also when it breaks with data still to send."""

    def __init__(self, *, encrypted_only: bool = False, greeting_s: float | None = None) -> None:
        super().__init__()
        self._transport = self._socket = NatsTransport(encrypted_only=encrypted_only, greeting_s=greeting_s)
        self._ended = asyncio.Event()

    def cut(self) -> None:
        """Break the connection at once, from any thread."""
        self._socket.shut_down()

    async def connect(self, *args: Any, **options: Any) -> None:
        """Connect; nats-py's own method may lose a cancellation."""
        await await_cancellable(super().connect(*args, **options))

    async def flush(self, timeout: int = 10) -> None:  # as nats-py has it
        """Flush; nats-py's own method may lose a cancellation."""
        await await_cancellable(super().flush(timeout))

    async def settle(self, timeout_s: float) -> None:
        """Wait until the server has processed everything sent.

        Raises the connection's error when it closes before that; nats-py's own `flush` would leave its caller waiting.
        """
        flushing = asyncio.create_task(self._flush_twice(timeout_s))
        ending = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({flushing, ending}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.is_set():
                raise self.last_error or ConnectionClosedError
            await flushing
        finally:
            await cancel_all(flushing, ending)

    async def _process_connect_init(self) -> None:
        """Send CONNECT and read the reply. nats-py takes the first line for the reply; a PING of the server, which may
        come while the masters decide on the login, would leave the client neither connected nor refused.
        """
        transport: Any = self._transport
        read = transport.readline

        async def past_pings() -> bytes:
            while (line := await read()).startswith(PING):
                transport.write(PONG)
                await transport.drain()
            return bytes(line)

        transport.readline = past_pings
        await super()._process_connect_init()

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """Parse a message's headers. nats-py's parser examines every letter of every name, which costs more than the
        rest of the delivery.
        """
        found = dict[str, str]()
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and (name := name.strip(BLANK)).isascii() and "".join(name.split()) == name:
                found[name] = value.strip(BLANK)
        return found

    async def _process_pong(self) -> None:
        """Wake the flush that waits for this PONG. When that flush was cancelled, nats-py's own method raises, and its
        read loop ends.
        """
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _flush_twice(self, timeout_s: float) -> None:
        """Flush twice: the first PONG may be the answer to the PING of the handshake."""
        await self.flush(max(1, round(timeout_s)))
        await self.flush(max(1, round(timeout_s)))

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        """Close the connection, call the callbacks and wake blocked publishers.

        nats-py's method raises half-way when pending data cannot be sent, and then calls no callback; a second call has
        nothing left to send.
        """
        try:
            await super()._close(status, do_cbs)
        except OSError:
            self._pending, self._pending_data_size, self._status = [], 0, Client.DISCONNECTED
            await super()._close(status, do_cbs)
        finally:
            self._ended.set()
            self._wake_senders()

    @property
    def asked_for_credentials(self) -> bool:
        """Whether the server's INFO has arrived and requires credentials."""
        return bool(self._server_info.get("auth_required"))

    def _wake_senders(self) -> None:
        while self._flush_queue is not None and not self._flush_queue.empty():
            waiting = self._flush_queue.get_nowait()
            if not waiting.done():
                waiting.set_result(None)


def failure(client: NatsConnection, error: Exception, url: str) -> FleetfoldError:
    """Turn a failed connection attempt into a typed error: `Unauthenticated`, `CalloutUnanswered` (no master answers
    the auth callout), `Untrusted` (TLS), or `Unavailable`.
    """
    where, why = redacted_url(url), reason(error)
    if REFUSED in why or isinstance(error, AuthorizationError):
        return Unauthenticated(
            f"the broker at {where} refuses the credentials: they are missing, unknown, expired or revoked"
        )
    if (tls_failure := explain(error, url)) is not None:
        return Untrusted(tls_failure)
    if client.asked_for_credentials and (isinstance(error, TimeoutError | NatsTimeout) or UNANSWERED in why):
        return CalloutUnanswered(
            f"the broker at {where} is there, but nobody checks credentials: is a master running? (`fleetfold master`)"
        )
    return Unavailable(
        f"no broker answers at {where} ({why}); start one with `fleetfold up`, or name another with --url"
    )


async def all_sent(client: Client) -> None:
    """Wait until the broker has received what was published on this connection, so that messages sent on the next
    connection do not overtake it. Gives up after `ORDERED_TRIES` flushes under a steady stream of messages.
    """
    with contextlib.suppress(NatsError, OSError, TimeoutError):
        for _ in range(ORDERED_TRIES):
            sent = client.stats["out_msgs"]
            await client.flush()
            if client.stats["out_msgs"] == sent:
                return


async def retire(client: Client) -> None:
    """Close a connection that was replaced, after the messages already routed to it are handled.

    nats-py's `drain()` drops a subscription after one flush, and with it what the server had just routed there: under
    load, one message in a thousand was lost. Hence the use of private attributes.
    """
    subscriptions = list(client._subs.values())  # noqa: SLF001 (see above)
    with contextlib.suppress(NatsError, OSError, TimeoutError):
        async with asyncio.timeout(RETIRE_S):
            for subscription in subscriptions:
                await client._send_unsubscribe(subscription._id)  # noqa: SLF001 (see above)
            for _ in range(3):
                await client.flush()
                await asyncio.gather(*(each._pending_queue.join() for each in subscriptions))  # noqa: SLF001 (see above)
    await part(client)


async def leave(client: Client, subscription: Any) -> None:
    """Unsubscribe after handling what the server routed here before it processed the UNSUB: a message to a queue group
    goes to no other member.
    """
    with contextlib.suppress(NatsError, OSError, TimeoutError):
        async with asyncio.timeout(LEAVE_S):
            await client._send_unsubscribe(subscription._id)  # noqa: SLF001 (nats-py's own forgets what is on its way)
            await client.flush()
            await client.flush()
            await subscription._pending_queue.join()  # noqa: SLF001 (see above)
    with contextlib.suppress(NatsError, OSError):
        await subscription.unsubscribe()


async def part(client: Client | None) -> None:
    """Send what is pending and close, whatever the state of the connection."""
    if client is not None and not client.is_closed:
        if client.is_connected:
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                await client.flush(timeout=1)
        with contextlib.suppress(NatsError, OSError):
            await client.close()


def size_of(headers: dict[str, str] | None) -> int:
    """Upper bound of the bytes that `headers` add to a message, as the broker counts them against `max_payload`."""
    if not headers:
        return 0
    return len("NATS/1.0\r\n\r\n") + sum(len(key.encode()) + len(value.encode()) + 4 for key, value in headers.items())


async def on_error(error: Exception) -> None:
    """Log an error reported by nats-py."""
    quiet = isinstance(error, OSError) or REFUSED in str(error)  # the supervisor or the caller reports these, once
    (log.debug if quiet else log.warning)("connection.error", reason=reason(error), kind=type(error).__name__)


def reason(error: BaseException) -> str:
    """Return the error's text, or its class name when the text is empty."""
    return str(error) or type(error).__name__
