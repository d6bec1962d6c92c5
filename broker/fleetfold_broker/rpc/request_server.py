"""Server side of request-reply: serves requests concurrently within limits, with typed errors, deadlines and counters.

nats-py awaits one callback at a time per subscription, so each request becomes a task of its own. A reply goes only to
the inbox of the identity in the subject: the server never checks a reply subject, so a caller could otherwise direct
the reply at another identity.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.rpc.admission import AdmissionControl, Place, Turns, hold
from fleetfold_broker.rpc.headers import PARTS, error_headers, remaining_s
from fleetfold_broker.rpc.introspection import EndpointStats, Introspection
from fleetfold_broker.rpc.streamed_reply import CallerGone, Say, StreamedReplies, silent
from fleetfold_broker.subjects import inbox
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import (
    DeadlineExceeded,
    FleetfoldError,
    InternalError,
    InvalidInput,
    Overloaded,
    TooLarge,
    Unavailable,
)
from fleetfold_shared.messages import Message, encode

__all__ = ["Handler", "Request", "RequestServer", "Whereto", "answer"]

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 1024
"""Most concurrent requests of masters; no other identity can send these."""
RECONNECT_S = 1.0


class Request(msgspec.Struct, frozen=True):
    """A request to serve. `caller` is the identity in its subject; `deadline` is on the event loop's clock, in seconds.

    A handler may put headers into `reply_headers`, which the reply or the error carries. Messages given to `say` are
    sent before the reply, if the caller accepts parts; the handler is then cancelled when the caller goes away.
    """

    subject: str
    data: bytes
    caller: str
    deadline: float | None
    headers: dict[str, str]
    reply_headers: dict[str, str] = {}
    say: Say = silent

    def remaining_s(self) -> float | None:
        """Return the seconds until the caller stops waiting; `None` when it set no deadline."""
        return None if self.deadline is None else self.deadline - asyncio.get_running_loop().time()


Handler = Callable[[Request], Awaitable[Message | None]]
"""Returns a message, or `None` for no reply; may raise any error."""

Whereto = Callable[[Request], tuple[str, dict[str, str]]]
"""Returns the subject that the reply goes to (empty for none), and the headers it carries there."""


class RequestServer:
    """The endpoints that one identity serves. `places` limits requests whose subject names their caller."""

    def __init__(
        self, bus: Bus, name: str, *, version: str, description: str = "", places: AdmissionControl | None = None
    ) -> None:
        self._bus = bus
        self._turns, self._places = Turns(MOST_AT_ONCE), places or AdmissionControl()
        self._tasks, self._quiet = BackgroundTasks(), LimitedLog(log)
        self._parts = StreamedReplies(bus)
        self._ends: list[Callable[[], Awaitable[None]]] = []
        self.introspection = Introspection(name, version, description)
        """Service discovery data of this service."""

    async def serve(
        self,
        name: str,
        subject: str,
        handler: Handler,
        *,
        queue: str,
        caller: Callable[[str], str] | None = None,
        whereto: Whereto | None = None,
        places: AdmissionControl | None = None,
    ) -> None:
        """Serve `subject` in the queue group `queue`.

        `caller` reads the identity from the subject; without it replies go to any inbox, for subjects that only masters
        may publish. With `whereto`, replies go to that subject and to no inbox. `places` limits this endpoint
        separately from all others.
        """
        stats = self.introspection.add(name, subject, queue)
        shared = places or self._places

        async def receive(message: Incoming) -> None:
            who = caller(message.subject) if caller else ""
            if caller and not message.reply.startswith(f"{inbox(who)}."):
                self._quiet.warning("service.foreign_reply", who, subject=message.subject, reply=message.reply)
                return
            try:
                place = shared.enter(who, len(message.data)) if caller else None
            except Overloaded as full:
                await self._refuse(message.reply, full, stats)
            else:
                self._tasks.spawn(self._handle(message, who, handler, stats, whereto, place))

        self._ends.append(await self._bus.subscribe(subject, receive, queue))

    async def stop(self, grace_s: float = 5.0) -> None:
        """Unsubscribe everything, and finish running requests within `grace_s` seconds."""
        ends, self._ends = self._ends, []
        await asyncio.gather(*(end() for end in ends))
        await self._tasks.drain(grace_s)
        await self._parts.stop()

    async def _refuse(self, reply: str, full: Overloaded, stats: EndpointStats) -> None:
        """Reply at once that there is no free place."""
        headers, body = error_headers(full)
        stats.count(0.0, full.message)
        with contextlib.suppress(Unavailable):
            await self._bus.link.publish(reply, body, headers=headers)

    async def _handle(
        self, message: Incoming, caller: str, handler: Handler, stats: EndpointStats, whereto: Whereto | None,
        place: Place | None,
    ) -> None:  # fmt: skip
        request, handler = _request(message, caller, handler)
        place = place or await self._turns.enter()
        hold(place)
        try:
            if (left_s := request.remaining_s()) is not None and left_s < 0:
                return  # the caller no longer waits
            started = time.perf_counter()
            try:
                headers, body, error = await self._answer(handler, request, message.reply)
            except CallerGone:
                headers, body, error = {}, None, "the caller went away"
            except asyncio.CancelledError:
                if whereto is None and PARTS not in request.headers:
                    await self._reply_cancelled(message.reply)
                raise
        finally:
            place.leave()
        stats.count(time.perf_counter() - started, error)
        subject, extra = whereto(request) if whereto else (message.reply, {})
        if subject and body is not None:
            await _publish_reply(self._bus, subject, body, {**headers, **extra})

    async def _reply_cancelled(self, reply: str) -> None:
        """Reply that the work was cancelled, so that the caller does not wait until its deadline. A lost connection has
        `RECONNECT_S` to come back.
        """
        headers, body = error_headers(DeadlineExceeded("who was asked has ended before it could answer; ask again"))
        with contextlib.suppress(Unavailable):
            if await self._bus.link.wait_up(RECONNECT_S):
                await self._bus.link.publish(reply, body, headers=headers)

    async def _answer(
        self, handler: Handler, request: Request, reply: str
    ) -> tuple[dict[str, str], bytes | None, str | None]:
        if PARTS not in request.headers or not request.caller:
            return await answer(handler, request)

        async def work(say: Say) -> tuple[dict[str, str], bytes | None, str | None]:
            return await answer(handler, msgspec.structs.replace(request, say=say))

        (headers, body, error), last = await self._parts.answer(reply, work)
        return {**headers, **last}, body, error


async def answer(handler: Handler, request: Request) -> tuple[dict[str, str], bytes | None, str | None]:
    """Run `handler` and return the reply's headers, body and error text. Raises nothing but cancellation and
    `CallerGone`.
    """
    try:
        message = await handler(request)
        body = None if message is None else encode(message)
    except FleetfoldError as error:
        return *_failure(request, error), error.message
    except Exception as defect:
        log.exception("service.handler_broke", subject=request.subject)
        broken = InternalError(
            f"{type(defect).__name__} while serving {request.subject}; the log there has the details"
        )
        return *_failure(request, broken), broken.message
    return request.reply_headers, body, None


async def _publish_reply(bus: Bus, subject: str, body: bytes, headers: dict[str, str]) -> None:
    """Publish a reply; one too large for the broker is replaced by an error, so that the caller does not wait."""
    try:
        await bus.link.publish(subject, body, headers=headers or None)
    except TooLarge as error:
        instead, body = error_headers(error)
        await bus.link.publish(subject, body, headers={**headers, **instead})


def _failure(request: Request, error: FleetfoldError) -> tuple[dict[str, str], bytes]:
    headers, body = error_headers(error)
    return {**request.reply_headers, **headers}, body


def _request(message: Incoming, caller: str, handler: Handler) -> tuple[Request, Handler]:
    """Return the request and its handler; when its headers cannot be read, a handler that refuses it."""
    headers: dict[str, Any] = message.headers or {}
    try:
        left_s = remaining_s(headers)
    except InvalidInput as error:
        return Request(message.subject, message.data, caller, None, headers), _refusing(error)
    deadline = None if left_s is None else asyncio.get_running_loop().time() + left_s
    return Request(message.subject, message.data, caller, deadline, headers), handler


def _refusing(error: FleetfoldError) -> Handler:
    async def refuse(_request: Request) -> Message | None:
        raise error

    return refuse
