"""A reply in several parts: messages in order to the caller's inbox, and the answer itself at the end.

The caller hears a subject of its own inbox that nobody else hears, for as long as it wants the answer. Every part asks
the broker for a word when nobody hears it any more: so one that has gone away, or been killed, ends the work for it.
What works for long says an empty part now and then: neither side waits for one that has died.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from itertools import count
from typing import TypeVar

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import ERROR_CODE, LAST_PART, PART, PARTS, STATUS, deadline, error_of
from fleetfold_broker.rpc.request_client import NO_RESPONDERS
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Unavailable
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Message, encode
from fleetfold_shared.whole_numbers import whole_number

__all__ = ["ALIVE_S", "CallerGone", "ReplyPart", "Say", "StreamedReplies", "in_parts", "silent"]

ALIVE_S = 1.0
"""How often one that has nothing to say shows that it is there, and learns whether anybody listens."""

T = TypeVar("T")

Say = Callable[[Message], Awaitable[None]]
"""Sends a part of the answer before the answer."""


class CallerGone(Exception):
    """Nobody waits for the answer any more."""


class ReplyPart(msgspec.Struct, frozen=True):
    """One message of a reply in parts; the `last` is the answer itself."""

    data: bytes
    last: bool
    headers: dict[str, str]


async def silent(_part: Message) -> None:
    """Says parts to nobody: the caller wants the answer alone."""


class StreamedReplies:
    """The replies in parts that one service is giving."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._prefix = f"{bus.link.options.inbox_prefix}.{new_id()}"
        self._numbers = count(1)
        self._open: dict[str, asyncio.Task[object]] = {}
        self._start: asyncio.Task[Callable[[], Awaitable[None]]] | None = None

    async def stop(self) -> None:
        """Hear no more of callers that are gone."""
        if self._start is not None:
            await (await self._start)()

    async def answer(self, reply: str, work: Callable[[Say], Awaitable[T]]) -> tuple[T, dict[str, str]]:
        """What `work` returns, and the headers that make it the last part; what it says meanwhile goes to `reply`.

        Cancels it and raises `CallerGone` when nobody listens there any more.
        """
        await self._listening()
        line = _Line(self._bus, reply, f"{self._prefix}.{next(self._numbers)}")
        working = asyncio.ensure_future(work(line.say))
        alive = asyncio.create_task(line.keep_alive())
        self._open[line.back] = working
        try:
            return await working, {LAST_PART: str(line.said)}
        except asyncio.CancelledError:
            if line.back in self._open:  # it is us who are cancelled
                raise
            raise CallerGone from None
        finally:
            self._open.pop(line.back, None)
            working.cancel()
            alive.cancel()
            await asyncio.gather(working, alive, return_exceptions=True)

    async def _listening(self) -> None:
        if self._start is None:
            self._start = asyncio.ensure_future(self._bus.subscribe(f"{self._prefix}.*", self._on_word))
        await self._start

    async def _on_word(self, message: Incoming) -> None:
        headers = message.headers or {}
        if headers.get(STATUS) == NO_RESPONDERS and not message.data:
            working = self._open.pop(message.subject, None)
            if working is not None:
                working.cancel()


class _Line:
    """The way of one answer's parts: each has its number, so that the caller sees when one is missing."""

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
                return  # the link is down, and with it the caller's part of the answer: its own say ends the work

    async def _send(self, data: bytes) -> None:
        async with self._one_at_a_time:
            await self._bus.link.publish(self._reply, data, self.back, {PART: str(self.said)})
            self.said += 1


async def in_parts(
    bus: Bus, subject: str, data: bytes, timeout_s: float, silence_s: float
) -> AsyncGenerator[ReplyPart, None]:
    """Ask, and yield the parts as they come; the last is the answer.

    `Unavailable` at once when nobody answers, a part is missing or the link breaks; `DeadlineExceeded` when nothing
    comes for `silence_s`, or no end within `timeout_s`; or the typed error the other side answered with. To close the
    iterator is to say that the answer is not wanted.
    """
    heard: asyncio.Queue[Incoming | FleetfoldError] = asyncio.Queue()

    async def hear(message: Incoming) -> None:
        heard.put_nowait(message)

    def broken() -> None:
        heard.put_nowait(Unavailable("the connection to the broker broke before the answer came"))

    inbox = f"{bus.link.options.inbox_prefix}.{new_id()}"
    bus.link.on_down(broken)
    unsubscribe = await bus.link.subscribe(inbox, hear)
    try:
        await bus.link.publish(subject, data, inbox, {PARTS: "1", **deadline(timeout_s)})
        async with aclosing(_in_order(heard, asyncio.get_running_loop().time() + timeout_s, silence_s)) as parts:
            async for part in parts:
                yield part
    finally:
        bus.link.not_on_down(broken)
        await unsubscribe()


async def _in_order(
    heard: asyncio.Queue[Incoming | FleetfoldError], until: float, silence_s: float
) -> AsyncGenerator[ReplyPart, None]:
    """The parts with something in them. One that has come already is passed over; one that is missing is an error."""
    due, last = 0, False
    while not last:
        message = await _next(heard, until, silence_s)
        headers = message.headers or {}
        last = LAST_PART in headers or PART not in headers
        number = _number(headers, due)
        if number > due:
            raise Unavailable("a part of the answer was lost on the way; ask again")
        if number < due and not last:
            continue  # heard on two connections, while one replaces the other
        due += 1
        if message.data or last:
            yield ReplyPart(message.data, last, headers)


async def _next(heard: asyncio.Queue[Incoming | FleetfoldError], until: float, silence_s: float) -> Incoming:
    left_s = until - asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(min(left_s, silence_s)):
            message = await heard.get()
    except TimeoutError:
        what = f"nothing came for {silence_s:g} s" if silence_s < left_s else "the answer has not ended in time"
        raise DeadlineExceeded(f"{what}; allow more, or ask again") from None
    if isinstance(message, FleetfoldError):
        raise message
    headers = message.headers or {}
    if headers.get(STATUS) == NO_RESPONDERS and not message.data:
        raise Unavailable("nobody answers there: no responders on the bus")
    if ERROR_CODE in headers:
        raise error_of(message)
    return message


def _number(headers: dict[str, str], due: int) -> int:
    """Which part it is; one without a number is a whole answer."""
    number = whole_number(headers.get(LAST_PART, headers.get(PART, "")))
    return due if number is None else number
