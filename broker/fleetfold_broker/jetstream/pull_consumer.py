"""Pull consumer: keeps a request for messages open, and renews it as it is used up and after each reconnect.

nats-py's `fetch()` receives nothing for tens of seconds after a broker restart; this one continues with the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import STATUS
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.trace_context import trace_context
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.ids import new_id
from fleetfold_shared.integer_parsing import whole_number

__all__ = ["NotYet", "PullConsumer"]

log = structlog.get_logger(__name__)

BATCH = 512
MOST_AT_ONCE = 2048
"""Most messages handled at once. More would wait here for longer than the broker waits for their acks."""
EXPIRES_S = 2.0
"""Seconds until a pull request expires: for so long the broker delivers to a process that is frozen, and not to another
one.
"""
HEARTBEAT_S = 0.5
SILENT_S = 6.0
ACK = b"+ACK"
NOT_YET = b'-NAK {"delay": 300000000}'
"""Negative acknowledgement; the delay before redelivery is in nanoseconds."""
HEARTBEAT_STATUS, EXPIRED = "100", "408"
UNSERVED = "Nats-Pending-Messages"
"""Header of an ended request: the messages of its batch that were not delivered."""


class NotYet(Exception):
    """Raised by a handler that cannot handle the message now, but soon."""


class PullConsumer:
    """Reader of one durable consumer. Messages are handled concurrently and acked one by one.

    Each is passed to the pipeline `handler` as a call of `verb`; `caller` reads the sender from its subject. It is
    acked on return, and redelivered otherwise: shortly after a `NotYet`, after the consumer's ack wait for any
    `FleetfoldError`. `exits` counts every message by its one end: `handled`, `not_yet`, `broken` for a defect or a
    cancellation, or the code of its error.
    """

    def __init__(
        self, bus: Bus, stream: str, consumer: str, handler: Handler, *, verb: str = "message",
        caller: Callable[[str], str] | None = None,
    ) -> None:  # fmt: skip
        self._bus, self._handler, self._verb, self._caller = bus, handler, verb, caller
        self.exits: Counter[str] = Counter()
        self._api = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._base = f"{bus.connection.options.inbox_prefix}.{new_id()}"
        self._open = self._in_progress = 0
        self._full = False
        self._last_message_at = 0.0
        self._tasks = BackgroundTasks()
        self._watch: asyncio.Task[None] | None = None
        self._end: Callable[[], Awaitable[None]] | None = None
        bus.connection.on_up(self._resume)

    async def start(self) -> None:
        """Start to pull messages."""
        # In a group of its own, so that two connections during a renewal take each message once.
        self._end = await self._bus.connection.subscribe(self._base, self._receive, "pull")
        await self.issue()
        self._watch = asyncio.create_task(self._restart_when_silent())

    async def stop(self, grace_s: float = 5.0) -> None:
        """Stop pulling, and finish the messages in hand within `grace_s` seconds; the rest is redelivered to any
        reader.
        """
        if self._watch:
            self._watch.cancel()
        if self._end:
            await self._end()  # without a subscriber, the broker drops the open requests
            self._end = None
        await self._tasks.drain(grace_s)

    async def issue(self) -> None:
        """Request one more batch, in addition to open requests."""
        self._open += BATCH
        self._last_message_at = asyncio.get_running_loop().time()
        ask = {"batch": BATCH, "expires": int(EXPIRES_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        await self._bus.connection.publish(self._api, msgspec.json.encode(ask), self._base)

    async def _resume(self) -> None:
        if self._end:
            self._open = 0  # requests of the lost connection are gone
            await self.issue()

    async def _receive(self, message: Incoming) -> None:
        self._last_message_at = asyncio.get_running_loop().time()
        headers = message.headers or {}
        status = headers.get(STATUS)
        if status is None or message.data:
            self._tasks.spawn(self._handle(message))
            self._in_progress += 1
            self._open -= 1
        elif status != HEARTBEAT_STATUS:  # one request has ended: expired, or refused
            unserved = whole_number(headers.get(UNSERVED, ""))
            self._open = max(0, self._open - (BATCH if unserved is None else unserved))
        if self._open < BATCH // 2:
            await self._issue_if_room(pause_s=0.0 if status in {None, EXPIRED} else 0.1)

    async def _issue_if_room(self, pause_s: float = 0.0) -> None:
        """Request one more batch, unless `MOST_AT_ONCE` is reached: the broker keeps the rest for all readers."""
        self._full = self._full or self._in_progress >= MOST_AT_ONCE
        if self._full:
            return
        await asyncio.sleep(pause_s)
        try:
            await self.issue()
        except FleetfoldError as error:
            log.debug("pull.not_issued", reason=error.message)

    async def _restart_when_silent(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            if self._bus.connection.is_up and not self._full and loop.time() - self._last_message_at > SILENT_S:
                log.warning("pull.silent", api=self._api)
                self._open = 0
                await self._issue_if_room()

    async def _handle(self, message: Incoming) -> None:
        end = "broken"
        try:
            await self._handler(self._call(message))
            await self._bus.connection.publish(message.reply, ACK)
            end = "handled"
        except NotYet as later:
            end = "not_yet"
            log.debug("pull.not_yet", subject=message.subject, reason=str(later))
            with contextlib.suppress(Unavailable):  # it is redelivered after the ack wait
                await self._bus.connection.publish(message.reply, NOT_YET)
        except FleetfoldError as error:
            end = error.code
            log.warning("pull.not_handled", subject=message.subject, reason=error.message)
        finally:
            self.exits[end] += 1
            self._in_progress -= 1
            if self._full and self._in_progress <= MOST_AT_ONCE // 2:
                self._full = False
                await self._issue_if_room()

    def _call(self, message: Incoming) -> Call:
        headers, identity = message.headers or {}, self._caller(message.subject) if self._caller else ""
        return Call(
            verb=self._verb, identity=identity, body=message.data, subject=message.subject, headers=headers,
            trace=trace_context(headers),
        )  # fmt: skip
