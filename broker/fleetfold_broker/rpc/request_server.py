"""Server side of request-reply: serves requests concurrently within limits, with typed errors, deadlines and counters.

nats-py awaits one callback at a time per subscription, so each request becomes a task of its own. A reply goes only to
the inbox of the identity in the subject: the server never checks a reply subject, so a caller could otherwise direct
the reply at another identity.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Callback, Incoming
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.rpc.admission import AdmissionControl, AdmissionSlot, QueuedSlots, hold
from fleetfold_broker.rpc.headers import PARTS, error_headers, remaining_s
from fleetfold_broker.rpc.introspection import EndpointStats, Introspection
from fleetfold_broker.rpc.pipeline import Call, Handler, Interceptor, compose
from fleetfold_broker.rpc.requests_in_progress import HeldRequests
from fleetfold_broker.rpc.streamed_reply import CallerGone, Say, StreamedReplies
from fleetfold_broker.rpc.trace_context import trace_context
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

__all__ = ["CallOutcome", "ReplyTo", "RequestServer", "answer"]

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 1024
"""Most concurrent requests of masters; no other identity can send these."""
RECONNECT_S = 1.0


ReplyTo = Callable[[Call], tuple[str, dict[str, str]]]
"""Returns the subject that the reply goes to (empty for none), and the headers it carries there."""


class CallOutcome(NamedTuple):
    """What a call comes to: headers, the encoded reply (`None` for none), and the error that they carry, if any."""

    headers: dict[str, str]
    body: bytes | None
    error: FleetfoldError | None = None


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One served subject: the verb of its calls, the composed pipeline, its counters and where its replies go."""

    verb: str
    handle: Handler
    stats: EndpointStats
    reply_to: ReplyTo | None


class RequestServer:
    """The endpoints that one identity serves.

    `places` limits requests whose subject names their caller. Every call passes `interceptors`, the first outermost.
    Two checks come before them, as they must before anything is decoded: admission, and the caller's deadline.
    """

    def __init__(
        self, bus: Bus, name: str, *, version: str, description: str = "", places: AdmissionControl | None = None,
        interceptors: Sequence[Interceptor] = (),
    ) -> None:  # fmt: skip
        self._bus = bus
        self._turns, self._places = QueuedSlots(MOST_AT_ONCE), places or AdmissionControl()
        self._interceptors = interceptors
        self._tasks, self._quiet = BackgroundTasks(), LimitedLog(log)
        self._parts = StreamedReplies(bus)
        self._ends: list[Callable[[], Awaitable[None]]] = []
        self.introspection = Introspection(name, version, description)
        """Service discovery data of this service."""
        self.held = HeldRequests()
        """The requests in progress whose subject names their caller."""

    async def serve(
        self,
        verb: str,
        subject: str,
        handler: Handler,
        *,
        queue: str,
        endpoint: str = "",
        caller: Callable[[str], str] | None = None,
        reply_to: ReplyTo | None = None,
        places: AdmissionControl | None = None,
    ) -> Callback:
        """Serve `verb` on `subject` in the queue group `queue`; returns what receives its requests.

        `endpoint` is its name in service discovery, by default the verb's with `-` for each dot. `caller` reads the
        identity from the subject; without it replies go to any inbox, for subjects that only masters may publish. With
        `reply_to`, replies go to that subject and to no inbox. `places` limits this endpoint apart from all others.
        """
        stats = self.introspection.add(endpoint or verb.replace(".", "-"), subject, queue)
        served = _Endpoint(verb, compose(self._interceptors, handler), stats, reply_to)
        shared = places or self._places

        async def receive(message: Incoming) -> None:
            who = caller(message.subject) if caller else ""
            if caller and not message.reply.startswith(f"{inbox(who)}."):
                self._quiet.warning("service.foreign_reply", who, subject=message.subject, reply=message.reply)
                return
            if message.reply in self.held:
                return  # sent again while it is in progress here
            try:
                place = shared.enter(who, len(message.data)) if caller else None
            except Overloaded as full:
                await self._refuse(message.reply, full, stats)
            else:
                self._spawn(self._handle(message, who, served, place), message.reply if caller else "")

        self._ends.append(await self._bus.connection.subscribe(subject, receive, queue))
        return receive

    async def stop(self, grace_s: float = 5.0) -> None:
        """Unsubscribe everything, and finish running requests within `grace_s` seconds."""
        ends, self._ends = self._ends, []
        await asyncio.gather(*(end() for end in ends))
        await self._tasks.drain(grace_s)
        await self._parts.stop()

    def _spawn(self, work: Coroutine[Any, Any, None], reply: str) -> None:
        """Run `work`; with a `reply`, its request is held until the end."""
        task = self._tasks.spawn(work)
        if reply:
            self.held.add(reply)
            task.add_done_callback(lambda _: self.held.discard(reply))

    async def _refuse(self, reply: str, full: Overloaded, stats: EndpointStats) -> None:
        """Reply at once that there is no free place."""
        headers, body = error_headers(full)
        stats.count("refused", 0.0, full.message)
        with contextlib.suppress(Unavailable):
            await self._bus.connection.publish(reply, body, headers=headers)

    async def _handle(self, message: Incoming, caller: str, served: _Endpoint, place: AdmissionSlot | None) -> None:
        call, handler = _call(message, caller, served)
        place = place or await self._turns.enter()
        hold(place)
        try:
            if (left_s := call.remaining_s()) is not None and left_s < 0:
                served.stats.drop("past_deadline")
                return
            given = await self._served(call, handler, message.reply, served)
        finally:
            place.leave()
        subject, extra = served.reply_to(call) if served.reply_to else (message.reply, {})
        if given is not None and subject and given.body is not None:
            await _publish_reply(self._bus, subject, given.body, {**given.headers, **extra})

    async def _served(self, call: Call, handler: Handler, reply: str, served: _Endpoint) -> CallOutcome | None:
        """Run the call and count its end. Returns `None` when its caller went away."""
        started = time.perf_counter()
        try:
            given = await self._answer(call, handler, reply)
        except CallerGone:
            served.stats.count("caller_gone", time.perf_counter() - started, "the caller went away")
            return None
        except asyncio.CancelledError:
            served.stats.drop("cancelled")
            if served.reply_to is None and PARTS not in call.headers:
                await self._reply_cancelled(reply)
            raise
        if (error := given.error) is None:
            served.stats.count("replied", time.perf_counter() - started)
        else:
            served.stats.count(error.code, time.perf_counter() - started, error.message)
        return given

    async def _reply_cancelled(self, reply: str) -> None:
        """Reply that the work was cancelled, so that the caller does not wait until its deadline. A lost connection has
        `RECONNECT_S` to come back.
        """
        headers, body = error_headers(DeadlineExceeded("who was asked has ended before it could answer; ask again"))
        with contextlib.suppress(Unavailable):
            if await self._bus.connection.wait_up(RECONNECT_S):
                await self._bus.connection.publish(reply, body, headers=headers)

    async def _answer(self, call: Call, handler: Handler, reply: str) -> CallOutcome:
        if PARTS not in call.headers or not call.identity:
            return await answer(handler, call)

        async def work(say: Say) -> CallOutcome:
            return await answer(handler, msgspec.structs.replace(call, say=say))

        given, last = await self._parts.answer(reply, work)
        return given._replace(headers={**given.headers, **last})


async def answer(handler: Handler, call: Call) -> CallOutcome:
    """Run `handler` and return what the call comes to. Raises nothing but cancellation and `CallerGone`."""
    try:
        message = await handler(call)
        body = None if message is None else encode(message)
    except FleetfoldError as error:
        return _failure(call, error)
    except Exception as defect:
        log.exception("service.handler_broke", subject=call.subject)
        text = f"{type(defect).__name__} while serving {call.subject}; the log there has the details"
        return _failure(call, InternalError(text))
    return CallOutcome(call.reply_headers, body)


async def _publish_reply(bus: Bus, subject: str, body: bytes, headers: dict[str, str]) -> None:
    """Publish a reply; one too large for the broker is replaced by an error, so that the caller does not wait."""
    try:
        await bus.connection.publish(subject, body, headers=headers or None)
    except TooLarge as error:
        instead, body = error_headers(error)
        await bus.connection.publish(subject, body, headers={**headers, **instead})


def _failure(call: Call, error: FleetfoldError) -> CallOutcome:
    headers, body = error_headers(error)
    return CallOutcome({**call.reply_headers, **headers}, body, error)


def _call(message: Incoming, caller: str, served: _Endpoint) -> tuple[Call, Handler]:
    """Return the call and its handler; when its deadline cannot be read, a handler that refuses it."""
    headers, handler = message.headers or {}, served.handle
    try:
        left_s = remaining_s(headers)
    except InvalidInput as error:
        left_s, handler = None, _refusing(error)
    call = Call(
        verb=served.verb, identity=caller, body=message.data, subject=message.subject, headers=headers,
        deadline=None if left_s is None else asyncio.get_running_loop().time() + left_s, trace=trace_context(headers),
    )  # fmt: skip
    return call, handler


def _refusing(error: FleetfoldError) -> Handler:
    async def refuse(_call: Call) -> Message | None:
        raise error

    return refuse
