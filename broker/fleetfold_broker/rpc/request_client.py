"""Client side of request-reply over one permanent inbox. A lost connection fails every open request at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Self

from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.connection.supervised import SupervisedConnection
from fleetfold_broker.rpc.headers import ERROR_CODE, STATUS, error_of
from fleetfold_shared.concurrency import BackgroundTasks, fail_if_open, resolve_if_open
from fleetfold_shared.errors import DeadlineExceeded, Unavailable
from fleetfold_shared.ids import new_id

__all__ = ["MEANWHILE_S", "Meanwhile", "MeanwhileTimer", "RequestClient", "is_no_responders"]

NO_RESPONDERS = "503"

MEANWHILE_S = 0.25
"""Seconds without a reply after which a request's `Meanwhile` starts."""
Meanwhile = Callable[[str], Coroutine[Any, Any, None]]
"""Runs with the reply subject of a request until its reply arrives; see `hedging`."""


class RequestClient:
    """The open requests of one connection."""

    def __init__(self, connection: SupervisedConnection) -> None:
        self._connection = connection
        self._prefix = f"{connection.options.inbox_prefix}.{new_id()}"
        self._open: dict[str, asyncio.Future[Incoming]] = {}
        self._collecting: dict[str, asyncio.Queue[Incoming]] = {}
        self._resent: set[str] = set()
        self._numbers = count(1)
        connection.on_down(self._fail_all)

    async def start(self) -> None:
        """Subscribe to the inbox."""
        await self._connection.subscribe(f"{self._prefix}.*", self._on_reply)

    async def ask(
        self, subject: str, data: bytes, timeout_s: float, headers: dict[str, str] | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> Incoming:  # fmt: skip
        """Send a request and return the first reply.

        Raises `Unavailable` at once when there is no responder or the connection breaks, `DeadlineExceeded` after
        `timeout_s`, or the typed error in the reply.
        """
        reply = self._next_reply()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Incoming] = loop.create_future()
        self._open[reply] = future
        timer = loop.call_later(timeout_s, _expire, future, subject, timeout_s)
        try:
            await self._connection.publish(subject, data, reply, headers)
            if meanwhile is None:
                return await future
            with MeanwhileTimer(meanwhile, reply):
                return await future
        finally:
            timer.cancel()
            self._open.pop(reply, None)
            self._resent.discard(reply)

    async def resend(self, subject: str, data: bytes, reply: str, headers: dict[str, str]) -> None:
        """Send a request again for a reply that is still awaited. From now on, that one of its receivers is gone ends
        nothing: another may answer."""
        if reply in self._open:
            self._resent.add(reply)
        await self._connection.publish(subject, data, reply, headers)

    @asynccontextmanager
    async def collect(self, subject: str, data: bytes) -> AsyncIterator[asyncio.Queue[Incoming]]:
        """Send a request to several servers; within the block, the queue receives their replies."""
        reply, replies = self._next_reply(), asyncio.Queue[Incoming]()
        self._collecting[reply] = replies
        try:
            await self._connection.publish(subject, data, reply)
            yield replies
        finally:
            del self._collecting[reply]

    def _next_reply(self) -> str:
        return f"{self._prefix}.{next(self._numbers)}"

    async def _on_reply(self, message: Incoming) -> None:
        if (replies := self._collecting.get(message.subject)) is not None:
            replies.put_nowait(message)
            return
        future = self._open.get(message.subject)
        if future is None:
            return
        headers = message.headers or {}
        if is_no_responders(message):
            if message.subject not in self._resent:
                fail_if_open(future, Unavailable("nobody answers there: no responders on the bus"))
        elif ERROR_CODE in headers:
            fail_if_open(future, error_of(message))
        else:
            resolve_if_open(future, message)

    def _fail_all(self) -> None:
        for future in self._open.values():
            fail_if_open(future, Unavailable("the connection to the broker broke before the answer came"))


class MeanwhileTimer:
    """Timer of one request: from `MEANWHILE_S` on it runs the `meanwhile`, until the end of the block or `stop`.

    It costs a request that is answered before no more than the timer.
    """

    __slots__ = ("_meanwhile", "_reply", "_running", "_timer")

    def __init__(self, meanwhile: Meanwhile, reply: str) -> None:
        self._meanwhile, self._reply = meanwhile, reply
        self._running: tuple[BackgroundTasks, asyncio.Task[Any]] | None = None
        self._timer = asyncio.get_running_loop().call_later(MEANWHILE_S, self._begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the timer and what it has started."""
        self._timer.cancel()
        if self._running is not None:
            self._running[1].cancel()

    def _begin(self) -> None:
        tasks = BackgroundTasks()
        self._running = tasks, tasks.spawn(self._meanwhile(self._reply))


def is_no_responders(message: Incoming) -> bool:
    """Whether the broker says that nobody has subscribed to the request's subject."""
    return (message.headers or {}).get(STATUS) == NO_RESPONDERS and not message.data


def _expire(future: asyncio.Future[Incoming], subject: str, timeout_s: float) -> None:
    fail_if_open(future, DeadlineExceeded(f"no answer on {subject} within {timeout_s:g} s"))
