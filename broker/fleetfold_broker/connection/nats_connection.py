"""One connection of nats-py: its faults told in one line, its end without loss."""

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
from fleetfold_shared.errors import FleetfoldError, Unauthenticated, Unavailable, Untrusted
from fleetfold_shared.urls import shown

__all__ = [
    "NatsConnection", "NobodyChecks", "all_sent", "failure", "leave", "on_error", "part", "reason", "retire", "size_of",
]  # fmt: skip

log = structlog.get_logger(__name__)

REFUSED, UNANSWERED = "Authorization Violation", "Authentication Timeout"
"""What the server says to those it does not let in."""
PING, PONG = b"PING", b"PONG\r\n"
BLANK = " \t\n\r\x0b\x0c"
RETIRE_S = 30.0
ORDERED_TRIES = 20
"""How often `all_sent` flushes before it lets go of a connection on which there is always something new."""
"""How long a connection may take over what it has heard."""
LEAVE_S = 1.0


class NobodyChecks(Unavailable):
    """The broker has asked who we are, and no master has answered it."""


class NatsConnection(Client):
    """nats-py's client, which tells of its end in every case, also when it breaks with much left to send."""

    def __init__(self, *, encrypted_only: bool = False) -> None:
        super().__init__()
        self._transport = NatsTransport(encrypted_only=encrypted_only)
        self._ended = asyncio.Event()

    async def settle(self, timeout_s: float) -> None:
        """Return when the server has processed all that was sent; raises why not when the connection ends before that,
        which nats-py tells nobody who waits for a flush.
        """
        flushing = asyncio.create_task(self._flush_twice(timeout_s))
        ending = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({flushing, ending}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.is_set():
                raise self.last_error or ConnectionClosedError
            await flushing
        finally:
            for task in (flushing, ending):
                task.cancel()
            await asyncio.gather(flushing, ending, return_exceptions=True)

    async def _process_connect_init(self) -> None:
        """Connect. nats-py takes the first line for the answer to its CONNECT: a ping of the server's own, which comes
        while the masters take their time to decide, would leave it neither connected nor refused.
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
        """The headers of a message. nats-py's own tries each letter of each name, which costs more than the rest."""
        found = dict[str, str]()
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and (name := name.strip(BLANK)).isascii() and "".join(name.split()) == name:
                found[name] = value.strip(BLANK)
        return found

    async def _process_pong(self) -> None:
        """Wake who waits for it. Where nobody does any more, nats-py's own raises, and hears nothing from then on."""
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _flush_twice(self, timeout_s: float) -> None:
        """One is not a barrier: a pong of the connecting may answer it."""
        await self.flush(max(1, round(timeout_s)))
        await self.flush(max(1, round(timeout_s)))

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        """Close. nats-py's own raises half-way when what is left cannot be sent, and then calls nobody: the second time
        there is nothing left. Nor does it wake those who wait until there is room to send.
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
        """Whether the server has greeted, and wants to know who connects."""
        return bool(self._server_info.get("auth_required"))

    def _wake_senders(self) -> None:
        while self._flush_queue is not None and not self._flush_queue.empty():
            waiting = self._flush_queue.get_nowait()
            if not waiting.done():
                waiting.set_result(None)


def failure(client: NatsConnection, error: Exception, url: str) -> FleetfoldError:
    """Why there is no connection, for people: refused, nobody to check that, a matter of TLS, or nobody there."""
    where, why = shown(url), reason(error)
    if REFUSED in why or isinstance(error, AuthorizationError):
        return Unauthenticated(
            f"the broker at {where} refuses the credentials: they are missing, unknown, expired or revoked"
        )
    if (told := explain(error, url)) is not None:
        return Untrusted(told)
    if client.asked_for_credentials and (isinstance(error, TimeoutError | NatsTimeout) or UNANSWERED in why):
        return NobodyChecks(
            f"the broker at {where} is there, but nobody checks credentials: is a master running? (`fleetfold master`)"
        )
    return Unavailable(
        f"no broker answers at {where} ({why}); start one with `fleetfold up`, or name another with --url"
    )


async def all_sent(client: Client) -> None:
    """Return when the broker has what was published on this connection, so that what is sent on the next one does not
    overtake it; under a steady stream of messages after so many tries.
    """
    with contextlib.suppress(NatsError, OSError, TimeoutError):
        for _ in range(ORDERED_TRIES):
            sent = client.stats["out_msgs"]
            await client.flush()
            if client.stats["out_msgs"] == sent:
                return


async def retire(client: Client) -> None:
    """Part from a connection that another has replaced, when what was on its way to it has been handled.

    nats-py's own `drain()` drops a subscription after one flush, and with it what the server had just routed there:
    one message in a thousand was lost under load. Hence its private parts.
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
    """End a subscription when what the server has routed to it until it knew of the end has been heard: what is asked
    of a group is asked of nobody else.
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
    """Send what is pending and close, whatever state it is in."""
    if client is not None and not client.is_closed:
        if client.is_connected:
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                await client.flush(timeout=1)
        with contextlib.suppress(NatsError, OSError):
            await client.close()


def size_of(headers: dict[str, str] | None) -> int:
    """What they add to the bytes that the broker counts against its limit, at most."""
    if not headers:
        return 0
    return len("NATS/1.0\r\n\r\n") + sum(len(key.encode()) + len(value.encode()) + 4 for key, value in headers.items())


async def on_error(error: Exception) -> None:
    """Log what nats-py has to say."""
    quiet = isinstance(error, OSError) or REFUSED in str(error)  # the supervisor, or the caller, tells of those, once
    (log.debug if quiet else log.warning)("link.error", reason=reason(error), kind=type(error).__name__)


def reason(error: BaseException) -> str:
    """What an error says, or its name when it says nothing."""
    return str(error) or type(error).__name__
