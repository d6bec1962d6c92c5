"""A supervised connection to the broker: it reconnects without a limit, and can be renewed without a gap.

A `SupervisedConnection` retries with full jitter
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), restores all subscriptions on each new
connection, and is renewed make-before-break: the new connection has every subscription before the old one stops.
nats-py's own reconnect is off. Reasons: docs/decisions/0009.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from fleetfold_broker.connection.nats_connection import (
    NatsConnection,
    all_sent,
    failure,
    on_error,
    part,
    reason,
    retire,
    size_of,
)
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.connection.server_choice import in_random_order, most_telling
from fleetfold_broker.connection.subscription import Callback, Subscription
from fleetfold_shared.backoff import FULL, Backoff
from fleetfold_shared.concurrency import BackgroundTasks, cancel_all, ends_within
from fleetfold_shared.errors import FleetfoldError, TooLarge, Unauthenticated, Unavailable

__all__ = ["SupervisedConnection"]

log = structlog.get_logger(__name__)

BACKOFF = Backoff(0.05, 5.0, jitter=FULL)
PATIENCE_FIRST_S, PATIENCE_GROWS = 1.0, 1.5
"""Seconds that the first login attempt may take, and the factor for each further one.

The broker asks the masters once per login. If no master was back when it asked, no reply will ever come, so an attempt
must end; if masters have thousands of logins to decide, only more time helps.
"""
REFUSED_MOST_S = 30.0
"""Longest pause in seconds after refused credentials: an operator may admit the identity again."""


class SupervisedConnection:
    """One identity's connection to the broker. Call `start()` once; it reconnects by itself until `close()`."""

    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options
        self._client: Client | None = None
        self._presented = ""
        self._subscriptions: list[Subscription] = []
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._closing = False
        self._supervisor: asyncio.Task[None] | None = None
        self._tasks = BackgroundTasks()
        self._on_up: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._on_down: list[Callable[[], None]] = []
        self.reconnects = 0

    @property
    def is_up(self) -> bool:
        """Whether the connection is established now."""
        return self._up.is_set()

    @property
    def client(self) -> Client:
        """The established connection. Raises `Unavailable` when there is none."""
        if self._client is None or not self._up.is_set():
            raise Unavailable(f"the broker at {self.options.redacted_url} is out of reach; the connection keeps trying")
        return self._client

    def on_up(self, callback: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `callback` after every connection but the first."""
        self._on_up.append(callback)

    def on_down(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever the connection is lost."""
        self._on_down.append(callback)

    def not_on_down(self, callback: Callable[[], None]) -> None:
        """Remove a callback that `on_down` registered."""
        self._on_down.remove(callback)

    async def start(self, *, patient: bool = False) -> None:
        """Connect, and start to supervise the connection.

        With `patient`, waits for the broker without a limit. Otherwise raises `Unavailable` when nothing listens or no
        master checks credentials, and `Unauthenticated` when they are refused.
        """
        self._client = await (self._connect_for_ever() if patient else self._connect_first())
        self._up.set()
        self._supervisor = asyncio.create_task(self._supervise())

    async def close(self) -> None:
        """Send what is pending and close; safe to call twice."""
        self._closing = True
        if self._supervisor:
            await cancel_all(self._supervisor)
        await self._tasks.cancel()
        await part(self._client)
        self._down()

    def cut(self) -> None:
        """Break the connection at once, from any thread, for instance because the event loop hangs. The supervisor
        connects again when the loop turns."""
        if isinstance(client := self._client, NatsConnection):
            client.cut()

    async def wait_up(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` for a connection; return whether it is established."""
        await ends_within(timeout_s, self._up.wait())
        return self.is_up

    async def subscribe(self, subject: str, callback: Callback, queue: str = "") -> Callable[[], Awaitable[None]]:
        """Subscribe `callback` to `subject` on this and all later connections; returns an async function that
        unsubscribes. Messages are passed one at a time, so `callback` must return quickly. With `queue`, one member of
        that queue group receives each message.
        """
        entry = Subscription(subject, queue, callback)
        self._subscriptions.append(entry)
        if self._client is not None and self.is_up:
            with contextlib.suppress(NatsError, OSError):  # if the connection breaks here, the next one attaches it
                await entry.attach(self._client)

        async def unsubscribe() -> None:
            if entry in self._subscriptions:
                self._subscriptions.remove(entry)
            await entry.detach()

        return unsubscribe

    async def publish(self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None) -> None:
        """Publish `data`. Raises `TooLarge` before sending, `Unavailable` when no connection is established."""
        client = self.client
        size = len(data) + size_of(headers)
        if size > client.max_payload:
            raise TooLarge(
                f"the message of {size:,} bytes is over the broker's limit of {client.max_payload:,}; "
                "send it in smaller parts, or raise max_payload in nats.conf"
            )
        try:
            await client.publish(subject, data, reply=reply, headers=headers)
        except (OSError, NatsError) as error:
            raise Unavailable(
                f"the connection to {self.options.redacted_url} broke while sending ({reason(error)})"
            ) from None

    async def barrier(self) -> None:
        """Wait until the broker has processed everything sent before. Takes two flushes; one is not a barrier."""
        client = self.client
        try:
            await client.flush()
            await client.flush()
        except (OSError, NatsError) as error:
            raise Unavailable(f"the connection to {self.options.redacted_url} broke ({reason(error)})") from None

    async def renew(self) -> None:
        """Replace the connection: connect anew, attach all subscriptions there, then drain the old connection.

        Raises `Unavailable` when there is no connection or none can be made, `Unauthenticated` when credentials are
        refused. If the old connection is lost meanwhile, the supervisor replaces it and the new one is closed.
        """
        old = self.client
        fresh = await self._connect(self.options.answer_s)
        if self._client is not old or not self.is_up:
            await part(fresh)
            return
        await all_sent(old)
        await self._adopt(fresh)
        await retire(old)

    async def _connect_first(self) -> Client:
        """Connect; try a second time if the credentials were refused and the source has others."""
        try:
            return await self._connect(self.options.first_answer_s)
        except Unauthenticated:
            if not await self._may_try_again():
                raise
        return await self._connect(self.options.first_answer_s)

    async def _connect(self, answer_s: float) -> Client:
        """Connect to one of the servers, tried in random order for up to `answer_s` each. Refused credentials end it:
        all servers ask the same masters.
        """
        failures: list[FleetfoldError] = []
        for server in in_random_order(self.options.servers):
            try:
                return await self._connect_to(server, answer_s)
            except Unauthenticated:
                raise
            except FleetfoldError as error:
                failures.append(error)
        raise most_telling(failures, self.options.redacted_url)

    async def _connect_to(self, server: str, answer_s: float) -> Client:
        greeting_s = self.options.connect_timeout_s if len(self.options.servers) > 1 else None
        encrypted_only = self.options.tls is not None or server.startswith("tls://")
        client = NatsConnection(encrypted_only=encrypted_only, greeting_s=greeting_s)

        async def closed() -> None:
            self._on_closed(client)

        try:
            async with asyncio.timeout(answer_s):  # nats-py's own time limit applies to each of its steps
                await client.connect(**self._client_options(server, answer_s), error_cb=on_error, closed_cb=closed)
                await self._attach(client)
                await client.settle(answer_s)
        except (OSError, NatsError, TimeoutError) as error:
            await part(client)
            raise failure(client, error, server) from None
        except BaseException:
            await part(client)
            raise
        return client

    def _client_options(self, server: str, answer_s: float) -> dict[str, Any]:
        credential = self.options.credential
        self._presented = credential.token() if credential else ""
        return self.options.for_client(server, self._presented, answer_s)

    async def _attach(self, client: Client) -> None:
        for entry in list(self._subscriptions):
            if entry.client is not client:
                await entry.attach(client)

    async def _adopt(self, client: Client) -> None:
        """Make `client` the current connection, and attach subscriptions made while it was being set up."""
        self._client = client
        self._up.set()
        with contextlib.suppress(NatsError, OSError):  # a connection that breaks here is replaced like any other
            await self._attach(client)
        if client.is_closed:
            self._on_closed(client)

    def _on_closed(self, client: Client) -> None:
        if client is self._client:
            self._down()
            self._lost.set()

    def _down(self) -> None:
        if self._up.is_set():
            self._up.clear()
            for callback in list(self._on_down):
                callback()

    async def _supervise(self) -> None:
        while not self._closing:
            await self._lost.wait()
            self._lost.clear()
            log.warning("connection.down", url=self.options.redacted_url)
            client = await self._connect_for_ever()
            self.reconnects += 1
            await self._adopt(client)
            log.info("connection.up", url=self.options.redacted_url)
            for callback in self._on_up:
                self._tasks.spawn(callback())

    async def _connect_for_ever(self) -> Client:
        clock, patience_s, failures = asyncio.get_running_loop().time, PATIENCE_FIRST_S, 0
        while True:
            backoff, until = self.options.backoff or BACKOFF, clock() + patience_s
            try:
                return await self._connect(min(patience_s, self.options.answer_s))
            except FleetfoldError as error:
                (log.debug if failures else log.warning)(
                    "connection.retry", url=self.options.redacted_url, reason=error.message
                )
                failures += 1
                if clock() >= until:  # timed out in the login: a broker that is not found says nothing of the masters
                    patience_s *= PATIENCE_GROWS
                if isinstance(error, Unauthenticated):
                    backoff = replace(backoff, max_s=REFUSED_MOST_S)
                    await self._refused()
            if self._closing:  # Python 3.11's wait_for loses a cancellation that arrives together with a failure
                raise asyncio.CancelledError
            await asyncio.sleep(backoff.delay_s(failures))

    async def _may_try_again(self) -> bool:
        """Let the source react to refused credentials; return whether its token has changed."""
        credential = self.options.credential
        if credential is None:
            return False
        await credential.refused()
        return credential.token() != self._presented

    async def _refused(self) -> None:
        if self.options.credential is not None:
            with contextlib.suppress(FleetfoldError):  # the next attempt presents the token there is
                await self.options.credential.refused()
