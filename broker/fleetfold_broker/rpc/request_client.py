"""Client side of request-reply over one permanent inbox. A lost connection fails every open request at once."""

from __future__ import annotations

import asyncio
from itertools import count

from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.connection.supervised import SupervisedConnection
from fleetfold_broker.rpc.headers import ERROR_CODE, STATUS, error_of
from fleetfold_shared.concurrency import fail_if_open, resolve_if_open
from fleetfold_shared.errors import DeadlineExceeded, Unavailable
from fleetfold_shared.ids import new_id

__all__ = ["RequestClient"]

NO_RESPONDERS = "503"


class RequestClient:
    """The open requests of one connection."""

    def __init__(self, connection: SupervisedConnection) -> None:
        self._connection = connection
        self._prefix = f"{connection.options.inbox_prefix}.{new_id()}"
        self._open: dict[str, asyncio.Future[Incoming]] = {}
        self._numbers = count(1)
        connection.on_down(self._fail_all)

    async def start(self) -> None:
        """Subscribe to the inbox."""
        await self._connection.subscribe(f"{self._prefix}.*", self._on_reply)

    async def ask(self, subject: str, data: bytes, timeout_s: float, headers: dict[str, str] | None = None) -> Incoming:
        """Send a request and return the first reply.

        Raises `Unavailable` at once when there is no responder or the connection breaks, `DeadlineExceeded` after
        `timeout_s`, or the typed error in the reply.
        """
        reply = f"{self._prefix}.{next(self._numbers)}"
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Incoming] = loop.create_future()
        self._open[reply] = future
        timer = loop.call_later(timeout_s, _expire, future, subject, timeout_s)
        try:
            await self._connection.publish(subject, data, reply, headers)
            return await future
        finally:
            timer.cancel()
            self._open.pop(reply, None)

    async def _on_reply(self, message: Incoming) -> None:
        future = self._open.get(message.subject)
        if future is None:
            return
        headers = message.headers or {}
        if headers.get(STATUS) == NO_RESPONDERS and not message.data:
            fail_if_open(future, Unavailable("nobody answers there: no responders on the bus"))
        elif ERROR_CODE in headers:
            fail_if_open(future, error_of(message))
        else:
            resolve_if_open(future, message)

    def _fail_all(self) -> None:
        for future in self._open.values():
            fail_if_open(future, Unavailable("the connection to the broker broke before the answer came"))


def _expire(future: asyncio.Future[Incoming], subject: str, timeout_s: float) -> None:
    fail_if_open(future, DeadlineExceeded(f"no answer on {subject} within {timeout_s:g} s"))
