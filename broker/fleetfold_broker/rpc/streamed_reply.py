"""Streamed replies: parts in order to the caller's inbox, and the reply itself as the last one.

The caller subscribes to a fresh subject of its own inbox for as long as it wants the reply. Every part is sent as a
request, so the broker reports («no responders») when that subscription is gone: a caller that left or was killed ends
the work. Long work sends an empty part every `ALIVE_S`: neither side waits for a dead one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, nullcontext
from itertools import count
from typing import TypeVar

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import ERROR_CODE, LAST_PART, PART, PARTS, deadline, error_of
from fleetfold_broker.rpc.request_client import Meanwhile, MeanwhileTimer, is_no_responders
from fleetfold_shared.concurrency import cancel_all
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Unavailable
from fleetfold_shared.ids import new_id
from fleetfold_shared.integer_parsing import whole_number
from fleetfold_shared.messages import Message, encode

__all__ = ["ALIVE_S", "CallerGone", "ReplyPart", "Say", "StreamedReplies", "in_parts", "silent"]

ALIVE_S = 1.0
"""Seconds between empty parts, which show that the server works and detect that the caller is gone."""

T = TypeVar("T")

Say = Callable[[Message], Awaitable[None]]
"""Sends a part before the reply."""


class CallerGone(Exception):
    """The caller no longer waits for the reply."""


class ReplyPart(msgspec.Struct, frozen=True):
    """One message of a streamed reply; the `last` is the reply itself."""

    data: bytes
    last: bool
    headers: dict[str, str]


async def silent(_part: Message) -> None:
    """Discard a part: the caller accepts no parts."""


class StreamedReplies:
    """The streamed replies that one service is sending."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._prefix = f"{bus.connection.options.inbox_prefix}.{new_id()}"
        self._numbers = count(1)
        self._open: dict[str, asyncio.Task[object]] = {}
        self._start: asyncio.Task[Callable[[], Awaitable[None]]] | None = None

    async def stop(self) -> None:
        """Stop receiving reports of callers that are gone."""
        if self._start is not None:
            await (await self._start)()

    async def answer(self, reply: str, work: Callable[[Say], Awaitable[T]]) -> tuple[T, dict[str, str]]:
        """Run `work`, sending its parts to `reply`; return its result and the headers that mark the last part.

        Cancels `work` and raises `CallerGone` when no subscriber is left there.
        """
        await self._listening()
        sender = _PartSender(self._bus, reply, f"{self._prefix}.{next(self._numbers)}")
        working = asyncio.ensure_future(work(sender.say))
        alive = asyncio.create_task(sender.keep_alive())
        self._open[sender.back] = working
        try:
            return await working, {LAST_PART: str(sender.said)}
        except asyncio.CancelledError:
            if sender.back in self._open:  # this task itself is cancelled
                raise
            raise CallerGone from None
        finally:
            self._open.pop(sender.back, None)
            await cancel_all(working, alive)

    async def _listening(self) -> None:
        if self._start is None:
            self._start = asyncio.ensure_future(
                self._bus.connection.subscribe(f"{self._prefix}.*", self._on_caller_gone)
            )
        await self._start

    async def _on_caller_gone(self, message: Incoming) -> None:
        if is_no_responders(message):
            working = self._open.pop(message.subject, None)
            if working is not None:
                working.cancel()


class _PartSender:
    """The numbered parts of one reply; the caller detects a missing number."""

    def __init__(self, bus: Bus, reply: str, back: str) -> None:
        self._bus, self._reply, self.back = bus, reply, back
        self._one_at_a_time = asyncio.Lock()
        self.said = 0

    async def say(self, part: Message) -> None:
        await self._send(encode(part))

    async def keep_alive(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_S)
            try:
                await self._send(b"")
            except Unavailable:
                return  # the connection is lost: the next part that `work` sends fails and ends it

    async def _send(self, data: bytes) -> None:
        async with self._one_at_a_time:
            await self._bus.connection.publish(self._reply, data, self.back, {PART: str(self.said)})
            self.said += 1


async def in_parts(
    bus: Bus, subject: str, data: bytes, timeout_s: float, silence_s: float, meanwhile: Meanwhile | None = None
) -> AsyncGenerator[ReplyPart, None]:
    """Send a request and yield its parts as they arrive; the last is the reply. `meanwhile` runs until the first.

    Raises `Unavailable` at once when there is no responder, a part is missing or the connection breaks;
    `DeadlineExceeded` when nothing arrives for `silence_s` or the end does not within `timeout_s`; or the typed error
    in the reply. Closing the iterator cancels the request.
    """
    received: asyncio.Queue[Incoming | FleetfoldError] = asyncio.Queue()
    inbox = f"{bus.connection.options.inbox_prefix}.{new_id()}"

    def broken() -> None:
        received.put_nowait(Unavailable("the connection to the broker broke before the answer came"))

    bus.connection.on_down(broken)
    with MeanwhileTimer(meanwhile, inbox) if meanwhile else nullcontext() as waiting:

        async def receive(message: Incoming) -> None:
            if waiting is not None:
                waiting.stop()
            received.put_nowait(message)

        unsubscribe = await bus.connection.subscribe(inbox, receive)
        try:
            await bus.connection.publish(subject, data, inbox, {PARTS: "1", **deadline(timeout_s)})
            async with aclosing(_in_order(received, asyncio.get_running_loop().time() + timeout_s, silence_s)) as parts:
                async for part in parts:
                    yield part
        finally:
            bus.connection.not_on_down(broken)
            await unsubscribe()


async def _in_order(
    received: asyncio.Queue[Incoming | FleetfoldError], until: float, silence_s: float
) -> AsyncGenerator[ReplyPart, None]:
    """Yield the non-empty parts in order. A repeated part is skipped; a missing one raises `Unavailable`."""
    due, last = 0, False
    while not last:
        message = await _next(received, until, silence_s)
        headers = message.headers or {}
        last = LAST_PART in headers or PART not in headers
        number = _number(headers, due)
        if number > due:
            raise Unavailable("a part of the answer was lost on the way; ask again")
        if number < due and not last:
            continue  # received on two connections, while one replaces the other
        due += 1
        if message.data or last:
            yield ReplyPart(message.data, last, headers)


async def _next(received: asyncio.Queue[Incoming | FleetfoldError], until: float, silence_s: float) -> Incoming:
    left_s = until - asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(min(left_s, silence_s)):
            message = await received.get()
    except TimeoutError:
        what = f"nothing came for {silence_s:g} s" if silence_s < left_s else "the answer has not ended in time"
        raise DeadlineExceeded(f"{what}; allow more, or ask again") from None
    if isinstance(message, FleetfoldError):
        raise message
    if is_no_responders(message):
        raise Unavailable("nobody answers there: no responders on the bus")
    if ERROR_CODE in (message.headers or {}):
        raise error_of(message)
    return message


def _number(headers: dict[str, str], due: int) -> int:
    """Return the part's number; a message without one is a whole reply."""
    number = whole_number(headers.get(LAST_PART, headers.get(PART, "")))
    return due if number is None else number
