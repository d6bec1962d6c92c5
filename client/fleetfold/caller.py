"""Requests of one identity to the masters: sending, retrying, and the rate limit reported in replies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Self, TypeVar

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import LIMIT, REMAINING
from fleetfold_shared.backoff import Backoff, Jitter
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Overloaded, RateLimited, Unavailable
from fleetfold_shared.messages import Message, decode
from fleetfold_shared.values import encode_exactly

__all__ = ["ANSWER_S", "LONG_POLL_S", "Caller", "RateLimit", "pause_s", "wait_ms"]

T = TypeVar("T", bound=Message)

ANSWER_S = 10.0
LONG_POLL_S = 5.0
START_S = 3.0
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
    """Sends requests over `bus`, and closes it at the end."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._rate_limit: RateLimit | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect from the broker."""
        await self._bus.close()

    @property
    def name(self) -> str:
        """This identity's name."""
        return self._bus.caller

    @property
    def rate_limit(self) -> RateLimit | None:
        """The rate limit of the last answer; None for an identity without a limit, and before the first answer."""
        return self._rate_limit

    async def _ask(self, verb: str, ask: Message, kind: type[T], timeout_s: float = ANSWER_S) -> T:
        subject = self._bus.subjects.api(self._bus.caller, verb)
        try:
            answer = await self._when_there_is_room(subject, encode_exactly(ask), timeout_s)
        except Unavailable as error:
            raise self._no_master(error) from None
        self._note_limit(answer.headers or {})
        return decode(answer.data, kind)

    async def _when_there_is_room(self, subject: str, data: bytes, timeout_s: float) -> Incoming:
        """The reply within `timeout_s`. A master that is overloaded has done nothing: the request is repeated."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while True:
            try:
                return await self._bus.ask(subject, data, max(0.0, until - loop.time()))
            except Overloaded as full:
                pause = OVERLOADED.apply(full.retry_after_s or 0.0)
                if not pause or loop.time() + pause > until:
                    raise
            await asyncio.sleep(pause)

    @staticmethod
    def _no_master(error: Unavailable) -> Unavailable:
        """The error, with what to do if no master answers."""
        if "no responders" not in error.message:
            return error
        return Unavailable("no master answers on this bus: start one with `fleetfold up` or `fleetfold master`")

    def _note_limit(self, headers: Mapping[str, str]) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._rate_limit = RateLimit(int(headers[LIMIT]), int(headers[REMAINING]))

    async def _start(self, verb: str, ask: Message, kind: type[T], timeout_s: float) -> T:
        """Send an idempotent request: once a master may have it, it is repeated until it is answered, also while
        masters are away."""
        loop, link = asyncio.get_running_loop(), self._bus.link
        deadline, sent = loop.time() + timeout_s, False
        while True:
            was_up = link.is_up
            try:
                return await self._ask(verb, ask, kind, LONG_POLL_S + START_S)
            except (Unavailable, DeadlineExceeded) as error:
                sent = sent or isinstance(error, DeadlineExceeded) or (was_up and not link.is_up)
                if not sent or loop.time() > deadline:
                    raise
            await asyncio.sleep(RETRY_S)

    async def _until_ended(self, verb: str, ask: Message, kind: type[T], going_on: set[str], timeout_s: float) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            record = await self._patiently(verb, ask, kind, deadline)
            if getattr(record, "state") not in going_on:  # noqa: B009 (both kinds have it)
                return record
            if loop.time() > deadline:
                raise DeadlineExceeded(f"{getattr(ask, 'id')} has not ended within {timeout_s:g} s; it goes on")  # noqa: B009

    async def _patiently(self, verb: str, ask: Message, kind: type[T], deadline: float | None = None) -> T:
        """Repeat a request until it is answered, or until `deadline` by the loop's clock: absent masters and brokers
        come back, and rate limits and overload pass."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await self._ask(verb, ask, kind, LONG_POLL_S + ANSWER_S)
            except (Unavailable, DeadlineExceeded, RateLimited, Overloaded) as error:
                if deadline is not None and loop.time() > deadline:
                    raise
                pause = pause_s(error)
            await asyncio.sleep(pause)


def pause_s(error: FleetfoldError) -> float:
    """Seconds to wait before the next try."""
    return BACKOFF.delay_s(1, error.retry_after_s)


def wait_ms(timeout_s: float) -> int:
    """Milliseconds that one request may wait for an end, of `timeout_s` seconds in all."""
    return round(min(timeout_s, LONG_POLL_S) * 1000)
