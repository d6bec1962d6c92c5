"""A standing pull: one open request to the broker for messages, issued again as it is used up and on each reconnect.

nats-py's `fetch()` stays deaf for tens of seconds after a broker restart; this one is back with the link.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from fleetfold_broker.background_tasks import BackgroundTasks
from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import STATUS
from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.ids import new_id
from fleetfold_shared.whole_numbers import whole_number

__all__ = ["Handler", "NotYet", "PullConsumer"]

log = structlog.get_logger(__name__)

BATCH = 512
MOST_AT_ONCE = 2048
"""So many messages are handled at once. More would wait here for longer than the broker waits for their acks."""
EXPIRES_S = 2.0
"""How long one request stands: what comes for a process that is frozen goes to it for so long, and then to another."""
HEARTBEAT_S = 0.5
SILENT_S = 6.0
ACK = b"+ACK"
NOT_YET = b'-NAK {"delay": 300000000}'
"""In nanoseconds."""
HEARTBEAT_STATUS, EXPIRED = "100", "408"
UNSERVED = "Nats-Pending-Messages"
"""How many messages of its batch an ended request has not brought."""

Handler = Callable[[str, bytes], Awaitable[None]]
"""Gets the subject and the body; what it has returned from is acked. What it raised for comes again: after `NotYet` in
a moment, after a `FleetfoldError` when the broker has waited for its ack in vain.
"""


class NotYet(Exception):
    """It cannot be handled now, but soon."""


class PullConsumer:
    """Reads one durable consumer. Messages are handled concurrently and acked one by one."""

    def __init__(self, bus: Bus, stream: str, consumer: str, handler: Handler) -> None:
        self._bus, self._handler = bus, handler
        self._api = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._base = f"{bus.link.options.inbox_prefix}.{new_id()}"
        self._open = self._inside = 0
        self._full = False
        self._heard = 0.0
        self._tasks = BackgroundTasks()
        self._watch: asyncio.Task[None] | None = None
        self._end: Callable[[], Awaitable[None]] | None = None
        bus.link.on_up(self._resume)

    async def start(self) -> None:
        """Pull from now on."""
        # In a group of its own, so that two connections during a renewal take each message once.
        self._end = await self._bus.subscribe(self._base, self._receive, "pull")
        await self.issue()
        self._watch = asyncio.create_task(self._watch_over())

    async def stop(self, grace_s: float = 5.0) -> None:
        """Finish what is being handled within `grace_s`; the rest comes again, to whoever pulls."""
        if self._watch:
            self._watch.cancel()
        if self._end:
            await self._end()  # with nobody listening, the broker forgets what was asked of it
            self._end = None
        await self._tasks.drain(grace_s)

    async def issue(self) -> None:
        """Ask for one more batch, beside what older requests have still to bring."""
        self._open += BATCH
        self._heard = asyncio.get_running_loop().time()
        ask = {"batch": BATCH, "expires": int(EXPIRES_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        await self._bus.link.publish(self._api, msgspec.json.encode(ask), self._base)

    async def _resume(self) -> None:
        if self._end:
            self._open = 0  # the broker has forgotten what was asked of it
            await self.issue()

    async def _receive(self, message: Incoming) -> None:
        self._heard = asyncio.get_running_loop().time()
        headers = message.headers or {}
        status = headers.get(STATUS)
        if status is None or message.data:
            self._tasks.spawn(self._handle(message))
            self._inside += 1
            self._open -= 1
        elif status != HEARTBEAT_STATUS:  # one request has ended: expired, or refused
            unserved = whole_number(headers.get(UNSERVED, ""))
            self._open = max(0, self._open - (BATCH if unserved is None else unserved))
        if self._open < BATCH // 2:
            await self._again(pause_s=0.0 if status in {None, EXPIRED} else 0.1)

    async def _again(self, pause_s: float = 0.0) -> None:
        """One more batch, unless there is enough to do: the broker keeps the rest, and gives it to others too."""
        self._full = self._full or self._inside >= MOST_AT_ONCE
        if self._full:
            return
        await asyncio.sleep(pause_s)
        try:
            await self.issue()
        except FleetfoldError as error:
            log.debug("pull.not_issued", reason=error.message)

    async def _watch_over(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            if self._bus.link.is_up and not self._full and loop.time() - self._heard > SILENT_S:
                log.warning("pull.silent", api=self._api)
                self._open = 0
                await self._again()

    async def _handle(self, message: Incoming) -> None:
        try:
            await self._handler(message.subject, message.data)
            await self._bus.link.publish(message.reply, ACK)
        except NotYet as later:
            log.debug("pull.not_yet", subject=message.subject, reason=str(later))
            with contextlib.suppress(Unavailable):  # then it comes again by itself
                await self._bus.link.publish(message.reply, NOT_YET)
        except FleetfoldError as error:
            log.warning("pull.not_handled", subject=message.subject, reason=error.message)
        finally:
            self._inside -= 1
            if self._full and self._inside <= MOST_AT_ONCE // 2:
                self._full = False
                await self._again()
