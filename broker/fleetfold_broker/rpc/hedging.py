"""Hedged requests: one that nobody answers is sent again, to a server that is certainly alive.

A server that hangs keeps its share of a queue group until the broker closes its connections, so a request may wait in
its hands. From `FIRST_S` on the caller therefore asks all servers, with growing pauses, which of them has the request
(`locate`). One that works on it says so, and nothing is repeated. When none does, the request is sent, with the same
reply subject, straight to the first that has answered; the first reply counts. Only for requests that may be repeated.

The principle is that of tied requests (Dean and Barroso, The Tail at Scale, 2013), without their cost: a request that
is answered within `MEANWHILE_S` causes no further message.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import NamedTuple

from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import deadline
from fleetfold_broker.rpc.request_client import MEANWHILE_S, RequestClient, is_no_responders
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import Locate, Located, decode, encode

__all__ = ["Hedge", "HedgedRequest"]

LONGEST_S = 2.0
"""The longest pause in seconds between two rounds; the first is `MEANWHILE_S`, each further one twice as long."""
ANSWERED_S = 0.3
"""Seconds in which a live server answers `locate`; a busy one is found by a later round."""
CLAIMED_S = 0.1
"""Seconds for a claim after the first answer that was none."""


class HedgedRequest(NamedTuple):
    """What is sent again: the verb, the body, the headers, and until when by the loop's clock."""

    caller: str
    verb: str
    data: bytes
    headers: dict[str, str]
    until: float


class Hedge:
    """The hedging of one identity's requests."""

    def __init__(self, requests: RequestClient, subjects: Subjects) -> None:
        self._requests, self._subjects = requests, subjects

    async def keep_alive(self, request: HedgedRequest, reply: str) -> None:
        """Have a live server work on the request, until cancelled or `request.until`."""
        loop, pause = asyncio.get_running_loop(), MEANWHILE_S
        while loop.time() < request.until:
            with contextlib.suppress(Unavailable):  # whoever awaits the reply is told of a lost connection
                await self._send_again(request, reply)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_S)

    async def _send_again(self, request: HedgedRequest, reply: str) -> None:
        server = await self.find(request.caller, reply)
        left_s = request.until - asyncio.get_running_loop().time()
        if server is not None and left_s > 0:
            subject = self._subjects.direct(request.caller, server, request.verb)
            await self._requests.resend(subject, request.data, reply, {**request.headers, **deadline(left_s)})

    async def find(self, caller: str, reply: str = "") -> str | None:
        """Return a live server; None when one says that it has the request of this `reply`, or none answers. Raises
        `Unavailable` without a connection."""
        async with self._requests.collect(self._subjects.locate(caller), encode(Locate(request=reply))) as replies:
            return await _chosen(replies)


async def _chosen(replies: asyncio.Queue[Incoming]) -> str | None:
    free = None
    try:
        async with asyncio.timeout(ANSWERED_S) as limit:
            while True:
                found = _read(await replies.get())
                if found is None or found.holds:
                    return None
                if free is None:
                    free = found.master
                    limit.reschedule(asyncio.get_running_loop().time() + CLAIMED_S)
    except TimeoutError:
        return free


def _read(message: Incoming) -> Located | None:
    """The answer; None if no server is there, or its version does not know the question."""
    if is_no_responders(message):
        return None
    try:
        return decode(message.data, Located)
    except InvalidInput:
        return None
