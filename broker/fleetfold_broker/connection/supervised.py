"""A supervised connection: nats-py's own reconnect is off, because it gives up for good when a token expires.

A `SupervisedConnection` keeps trying for ever with full jitter, subscribes everything again on each new connection, and
can be renewed make-before-break: the second connection hears everything before the first one stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from fleetfold_broker.background_tasks import BackgroundTasks
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
from fleetfold_broker.connection.subscription import Callback, Subscription
from fleetfold_shared.errors import FleetfoldError, TooLarge, Unauthenticated, Unavailable

__all__ = ["SupervisedConnection"]

log = structlog.get_logger(__name__)

BACKOFF_FIRST_S = 0.05
BACKOFF_MOST_S = 5.0
PATIENCE_FIRST_S, PATIENCE_GROWS = 1.0, 1.5
"""How long the first try waits to be let in, and how much longer each after it: the broker asks the masters once. If
none was back yet when it asked, nobody will ever answer; if they have thousands to let in, it only takes longer.
"""
REFUSED_MOST_S = 30.0
"""The longest pause of one that is refused: an operator may let it in again."""


class SupervisedConnection:
    """One identity's way to the broker. `await start()`, then use it; it mends itself until `close()`."""

    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options
        self._client: Client | None = None
        self._shown = ""
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
        """Whether a connection stands right now."""
        return self._up.is_set()

    @property
    def client(self) -> Client:
        """The connection that stands; `Unavailable` when none does."""
        if self._client is None or not self._up.is_set():
            raise Unavailable(f"the broker at {self.options.shown} is out of reach; the link keeps trying")
        return self._client

    def on_up(self, callback: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `callback` after each connection but the first."""
        self._on_up.append(callback)

    def on_down(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever the connection is lost."""
        self._on_down.append(callback)

    def not_on_down(self, callback: Callable[[], None]) -> None:
        """Do not call `callback` any more."""
        self._on_down.remove(callback)

    async def start(self, *, patient: bool = False) -> None:
        """Connect; from then on the link mends itself. `Unavailable` when nobody listens or nobody checks credentials,
        `Unauthenticated` when they are refused; one that is `patient` waits for the broker instead.
        """
        self._client = await (self._connect_for_ever() if patient else self._connect_first())
        self._up.set()
        self._supervisor = asyncio.create_task(self._supervise())

    async def close(self) -> None:
        """Send what is pending and part; safe to call twice."""
        self._closing = True
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self._tasks.cancel()
        await part(self._client)
        self._down()

    async def wait_up(self, timeout_s: float) -> bool:
        """Whether a connection stood within `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        return self.is_up

    async def subscribe(self, subject: str, callback: Callback, queue: str = "") -> Callable[[], Awaitable[None]]:
        """Hear `subject` from now on, over all connections to come; returns what ends it."""
        entry = Subscription(subject, queue, callback)
        self._subscriptions.append(entry)
        if self._client is not None and self.is_up:
            with contextlib.suppress(NatsError, OSError):  # a link that breaks here attaches it when it is up again
                await entry.attach(self._client)

        async def unsubscribe() -> None:
            if entry in self._subscriptions:
                self._subscriptions.remove(entry)
            await entry.detach()

        return unsubscribe

    async def publish(self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None) -> None:
        """Hand `data` to the broker; `TooLarge` before it is sent, `Unavailable` when no connection stands."""
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
            raise Unavailable(f"the connection to {self.options.shown} broke while sending ({reason(error)})") from None

    async def barrier(self) -> None:
        """Return when the broker has surely processed what was sent before: one flush is not a barrier, two are."""
        client = self.client
        try:
            await client.flush()
            await client.flush()
        except (OSError, NatsError) as error:
            raise Unavailable(f"the connection to {self.options.shown} broke ({reason(error)})") from None

    async def renew(self) -> None:
        """Make before break: connect anew, subscribe everything there, then drain the old connection.

        `Unavailable` when no connection stands or none can be made, `Unauthenticated` when it is refused. One that is
        lost meanwhile is the supervisor's to replace: then the fresh one is let go.
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
        """Once, and once more when what was shown is refused and something better may be had."""
        try:
            return await self._connect(self.options.first_answer_s)
        except Unauthenticated:
            if not await self._may_try_again():
                raise
        return await self._connect(self.options.first_answer_s)

    async def _connect(self, answer_s: float) -> Client:
        client = NatsConnection(encrypted_only=self.options.tls is not None or self.options.url.startswith("tls://"))

        async def closed() -> None:
            self._on_closed(client)

        try:
            async with asyncio.timeout(answer_s):  # nats-py's own holds for each of its steps
                await client.connect(**self._how(answer_s), error_cb=on_error, closed_cb=closed)
                await self._attach(client)
                await client.settle(answer_s)
        except (OSError, NatsError, TimeoutError) as error:
            await part(client)
            raise failure(client, error, self.options.url) from None
        except BaseException:
            await part(client)
            raise
        return client

    def _how(self, answer_s: float) -> dict[str, Any]:
        credential = self.options.credential
        self._shown = credential.token() if credential else ""
        return self.options.for_client(self._shown, answer_s)

    async def _attach(self, client: Client) -> None:
        for entry in list(self._subscriptions):
            if entry.client is not client:
                await entry.attach(client)

    async def _adopt(self, client: Client) -> None:
        """Make `client` the connection that stands, and hear on it what was subscribed while it was made."""
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
            log.warning("link.down", url=self.options.shown)
            client = await self._connect_for_ever()
            self.reconnects += 1
            await self._adopt(client)
            log.info("link.up", url=self.options.shown)
            for callback in self._on_up:
                self._tasks.spawn(callback())

    async def _connect_for_ever(self) -> Client:
        pause, told, patience_s = BACKOFF_FIRST_S, False, PATIENCE_FIRST_S
        clock = asyncio.get_running_loop().time
        while True:
            most, until = self.options.backoff_most_s or BACKOFF_MOST_S, clock() + patience_s
            try:
                return await self._connect(min(patience_s, self.options.answer_s))
            except FleetfoldError as error:
                (log.debug if told else log.warning)("link.retry", url=self.options.shown, reason=error.message)
                told = True
                if clock() >= until:  # used up; one that finds no broker says nothing of the masters
                    patience_s *= PATIENCE_GROWS
                if isinstance(error, Unauthenticated):
                    most = REFUSED_MOST_S
                    await self._refused()
            if self._closing:  # Python 3.11's wait_for lets a cancellation go when what it waits for fails just then
                raise asyncio.CancelledError
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 (full jitter, not a secret)
            pause = min(pause * 2, most)

    async def _may_try_again(self) -> bool:
        """Whether there is something else to show than what was refused."""
        credential = self.options.credential
        if credential is None:
            return False
        await credential.refused()
        return credential.token() != self._shown

    async def _refused(self) -> None:
        if self.options.credential is not None:
            with contextlib.suppress(FleetfoldError):  # the next try shows what there is
                await self.options.credential.refused()
