"""Requests of service discovery with a sender that the broker vouches for: `$SRV.>` does not name its caller.

The server never checks the reply subject of a request, and `$SRV.PING` does not say who asks. So a master gets each
request twice. One copy (a stream import) has the reply subject that was named; the other (a service import, on
`<prefix>.srv.>`) has the caller's name, which the server has written into it. An answer goes to an inbox only when its
owner has asked: each vouched copy releases one answer to that caller's own inbox, whichever of the two comes first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming

__all__ = ["Asked", "VouchedRequests"]

log = structlog.get_logger(__name__)

TOGETHER_S = 2.0
"""Both copies of a request come within this time, or it is not answered."""
MOST_OPEN = 1000
"""Requests of which one copy has come; the oldest gives way."""
REQUESTS = "$SRV.>"
REQUEST_INFO = "Nats-Request-Info"
"""The header that the server puts into what passes a service import, over any that the client has put there."""

Asked = Callable[[str, str, str], None]
"""Told the caller, the `$SRV` subject and the reply subject of a request that may be answered."""


class _RequestInfo(msgspec.Struct):
    user: str = ""


_info_decoder = msgspec.json.Decoder(_RequestInfo)


class VouchedRequests:
    """Pairs the copies. `identified` is False where the broker asks nobody who they are: then a request is taken at its
    word, as everything is there.
    """

    def __init__(self, bus: Bus, asked: Asked, *, identified: bool) -> None:
        self._bus, self._asked, self._identified = bus, asked, identified
        self._vouched: deque[tuple[float, str, str]] = deque(maxlen=MOST_OPEN)
        self._claimed: deque[tuple[float, str, str, str]] = deque(maxlen=MOST_OPEN)
        self._must_tell = True

    async def start(self) -> None:
        """Hear both copies."""
        await self._bus.subscribe(self._bus.subjects.discovery(), self._on_vouched)
        await self._bus.subscribe(REQUESTS, self._on_request)

    async def _on_vouched(self, message: Incoming) -> None:
        subject = "$SRV." + message.subject.removeprefix(self._bus.subjects.discovery(""))
        try:
            caller = _info_decoder.decode((message.headers or {}).get(REQUEST_INFO, "")).user
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        self._must_tell = False
        self._forget_old()
        for claim in self._claimed:
            if claim[1:3] == (caller, subject):
                self._claimed.remove(claim)
                self._asked(caller, subject, claim[3])
                return
        self._vouched.append((_now(), caller, subject))

    async def _on_request(self, message: Incoming) -> None:
        inbox, _, rest = message.reply.partition(".")
        caller, _, token = rest.partition(".")
        if inbox != "_INBOX" or not (caller and token):
            return
        if not self._identified:
            self._asked(caller, message.subject, message.reply)
            return
        self._forget_old()
        for voucher in self._vouched:
            if voucher[1:] == (caller, message.subject):
                self._vouched.remove(voucher)
                self._asked(caller, message.subject, message.reply)
                return
        self._claimed.append((_now(), caller, message.subject, message.reply))

    def _forget_old(self) -> None:
        oldest = _now() - TOGETHER_S
        for copies in (self._vouched, self._claimed):
            while copies and copies[0][0] < oldest:
                copies.popleft()
                self._tell_of_an_old_config()

    def _tell_of_an_old_config(self) -> None:
        """Say once that requests come without a name, if none has ever come with one."""
        if self._must_tell:
            log.warning(
                "discovery.callers_unknown",
                meaning="the broker does not say who asks $SRV: write its identity config again (`fleetfold keys "
                "broker`) and restart it",
            )
            self._must_tell = False


def _now() -> float:
    return asyncio.get_running_loop().time()
