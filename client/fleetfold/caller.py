"""Requests of one identity to the masters: sending, retrying, and the rate limit reported in replies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from math import inf
from typing import Any, TypeVar

import msgspec

from fleetfold.time_limit import milliseconds
from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import LIMIT, PARTS, REMAINING
from fleetfold_broker.rpc.streamed_reply import ReplyPart, in_parts
from fleetfold_shared.backoff import Backoff, Jitter
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Overloaded, RateLimited, Unavailable
from fleetfold_shared.messages import Message, decode
from fleetfold_shared.values import encode_exactly
from fleetfold_shared.verbs import Verb

__all__ = ["ANSWER_S", "LONG_POLL_S", "SILENCE_S", "Caller", "RateLimit", "limit_s", "pause_s", "wait_ms"]

Takes = TypeVar("Takes", bound=Message)
Gives = TypeVar("Gives", bound=Message)

ANSWER_S = 10.0
"""Seconds in which a request is answered whose caller has set no time limit."""
LONG_POLL_S = 5.0
START_S = 3.0
SILENCE_S = 3.0
"""Seconds of silence in a streamed reply after which the master counts as absent; it sends a part every second."""
RETRY_S = 0.2
"""The shortest pause before a request is sent again."""
BACKOFF = Backoff.constant(RETRY_S, asked="least")
OVERLOADED = Jitter.around(0.5)
"""Part of the pause that an overloaded master asks for."""


class RateLimit(msgspec.Struct, frozen=True):
    """The identity's requests per minute, and how many were left at the last answer."""

    limit: int
    remaining: int


class Caller:
    """Sends the requests of one identity over `bus`, and notes the rate limit that each reply reports."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._rate_limit: RateLimit | None = None

    @property
    def rate_limit(self) -> RateLimit | None:
        """The rate limit of the last answer; None for an identity without a limit, and before the first answer."""
        return self._rate_limit

    async def ask(self, verb: Verb[Takes, Gives], ask: Takes, timeout_s: float = ANSWER_S) -> Gives:
        """Send one request to a master; the reply within `timeout_s`, or `DeadlineExceeded`. A request that was not
        accepted for want of room is repeated within that time; so is one that a hanging master has, if it may be."""
        try:
            answer = await self._ask_while_overloaded(verb, encode_exactly(ask), timeout_s)
        except Unavailable as error:
            raise _no_master(error) from None
        self._note_limit(answer.headers or {})
        return decode(answer.data, verb.gives)

    async def stream(self, verb: Verb[Takes, Any], ask: Takes, timeout_s: float) -> AsyncGenerator[ReplyPart, None]:
        """Send one repeatable request; the parts of its streamed reply as they arrive. Close the generator to end the
        work."""
        subject, data = self.bus.subjects.api(self.bus.caller, verb.name), encode_exactly(ask)
        hedging = self.bus.hedging(verb.name, data, timeout_s, {PARTS: "1"})
        try:
            async with aclosing(in_parts(self.bus, subject, data, timeout_s, SILENCE_S, hedging)) as parts:
                async for part in parts:
                    if part.last:
                        self._note_limit(part.headers)
                    yield part
        except Unavailable as error:
            raise _no_master(error) from None

    async def _ask_while_overloaded(self, verb: Verb[Any, Any], data: bytes, timeout_s: float) -> Incoming:
        """The reply within `timeout_s`. A master that is overloaded has done nothing: the request is repeated."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while True:
            try:
                left_s = max(0.0, until - loop.time())
                return await self.bus.ask_api(verb.name, data, left_s, repeatable=verb.idempotent)
            except Overloaded as full:
                pause = OVERLOADED.apply(full.retry_after_s or 0.0)
                if not pause or loop.time() + pause > until:
                    raise
            await asyncio.sleep(pause)

    def _note_limit(self, headers: Mapping[str, str]) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._rate_limit = RateLimit(int(headers[LIMIT]), int(headers[REMAINING]))

    async def ask_idempotent(self, verb: Verb[Takes, Gives], ask: Takes, timeout_s: float) -> Gives:
        """Send an idempotent request: once a master may have it, it is repeated until it is answered, also while
        masters are away, for `timeout_s` in all."""
        loop, connection = asyncio.get_running_loop(), self.bus.connection
        deadline, sent = loop.time() + timeout_s, False
        while True:
            was_up = connection.is_up
            try:
                return await self.ask(verb, ask, min(LONG_POLL_S + START_S, max(0.0, deadline - loop.time())))
            except (Unavailable, DeadlineExceeded) as error:
                sent = sent or isinstance(error, DeadlineExceeded) or (was_up and not connection.is_up)
                if not sent or (isinstance(error, Unavailable) and loop.time() >= deadline):
                    raise
                if loop.time() >= deadline:
                    raise _may_go_on(verb, timeout_s) from None
            await asyncio.sleep(min(RETRY_S, max(0.0, deadline - loop.time())))

    async def ask_until_ended(
        self, verb: Verb[Takes, Gives], ask: Takes, going_on: set[str], timeout_s: float | None
    ) -> Gives:
        """Repeat a long-polling request until the record's state is not in `going_on`. Raises `DeadlineExceeded` after
        `timeout_s`; None waits as long as it takes."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout_s is None else loop.time() + timeout_s
        while True:
            try:
                record = await self.ask_patiently(verb, ask, deadline)
            except DeadlineExceeded:
                raise _goes_on(ask, timeout_s) from None
            if getattr(record, "state") not in going_on:  # noqa: B009 (both kinds have it)
                return record
            if deadline is not None and loop.time() >= deadline:
                raise _goes_on(ask, timeout_s)

    async def ask_patiently(self, verb: Verb[Takes, Gives], ask: Takes, deadline: float | None = None) -> Gives:
        """Repeat a request until it is answered, or until `deadline` by the loop's clock: absent masters and brokers
        come back, and rate limits and overload pass."""
        loop = asyncio.get_running_loop()
        while True:
            left_s = inf if deadline is None else max(0.0, deadline - loop.time())
            try:
                return await self.ask(verb, ask, min(LONG_POLL_S + ANSWER_S, left_s))
            except (Unavailable, DeadlineExceeded, RateLimited, Overloaded) as error:
                if deadline is not None and loop.time() >= deadline:
                    raise
                pause = pause_s(error)
            await asyncio.sleep(pause if deadline is None else min(pause, max(0.0, deadline - loop.time())))


def limit_s(timeout_s: float) -> float:
    """Return how long to wait for the reply to a request that carries its time limit. One that is not positive is the
    master's to refuse, by its field.
    """
    return timeout_s if timeout_s > 0 else ANSWER_S


def _may_go_on(verb: Verb[Any, Any], timeout_s: float) -> DeadlineExceeded:
    return DeadlineExceeded(f"{verb.name}: no answer within {timeout_s:g} s; it may go on: ask again with the same id")


def _goes_on(ask: Message, timeout_s: float | None) -> DeadlineExceeded:
    return DeadlineExceeded(f"{getattr(ask, 'id')} has not ended within {timeout_s:g} s; it goes on")  # noqa: B009 (both kinds have it)


def _no_master(error: Unavailable) -> Unavailable:
    """The error, with what to do if no master answers."""
    if "no responders" not in error.message:
        return error
    return Unavailable("no master answers on this bus: start one with `fleetfold up` or `fleetfold master`")


def pause_s(error: FleetfoldError) -> float:
    """Seconds to wait before the next try."""
    return BACKOFF.delay_s(1, error.retry_after_s)


def wait_ms(timeout_s: float | None) -> int:
    """Milliseconds that one request may wait for an end, of `timeout_s` seconds in all."""
    return milliseconds(LONG_POLL_S if timeout_s is None or timeout_s > LONG_POLL_S else timeout_s)
