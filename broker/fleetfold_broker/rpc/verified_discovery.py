"""Service discovery requests with a verified sender, which `$SRV.>` itself does not name.

A master gets each request twice. One copy (a stream import) has the reply subject as the caller set it; the other (a
service import, on `<prefix>.srv.>`) has the caller's name, added by the server. Each verified copy releases one reply
to that caller's own inbox, whichever copy comes first. Reasons: docs/decisions/0007.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming

__all__ = ["OnVerified", "VerifiedDiscovery"]

log = structlog.get_logger(__name__)

MATCH_WITHIN_S = 2.0
"""Seconds within which both copies of a request must arrive; otherwise it is not answered."""
MOST_OPEN = 1000
"""Most requests of which one copy has arrived; the oldest is dropped."""
REQUESTS = "$SRV.>"
REQUEST_INFO = "Nats-Request-Info"
"""Header that the server sets on messages through a service import, replacing any that the client set."""

OnVerified = Callable[[str, str, str], None]
"""Called with the caller, the `$SRV` subject and the reply subject of a request that may be answered."""


class _RequestInfo(msgspec.Struct):
    user: str = ""


_info_decoder = msgspec.json.Decoder(_RequestInfo)


class VerifiedDiscovery:
    """Matches the two copies of each request, and calls `on_verified` once both have arrived.

    `identified` is False for a broker without identities: then requests are answered without a verified sender.
    """

    def __init__(self, bus: Bus, on_verified: OnVerified, *, identified: bool) -> None:
        self._bus, self._answer_request, self._identified = bus, on_verified, identified
        self._verified: deque[tuple[float, str, str]] = deque(maxlen=MOST_OPEN)
        self._claimed: deque[tuple[float, str, str, str]] = deque(maxlen=MOST_OPEN)
        self._may_warn = True

    async def start(self) -> None:
        """Subscribe to both copies."""
        await self._bus.connection.subscribe(self._bus.subjects.discovery(), self._on_verified_copy)
        await self._bus.connection.subscribe(REQUESTS, self._on_request)

    async def _on_verified_copy(self, message: Incoming) -> None:
        subject = "$SRV." + message.subject.removeprefix(self._bus.subjects.discovery(""))
        try:
            caller = _info_decoder.decode((message.headers or {}).get(REQUEST_INFO, "")).user
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        self._may_warn = False
        self._forget_old()
        for claim in self._claimed:
            if claim[1:3] == (caller, subject):
                self._claimed.remove(claim)
                self._answer_request(caller, subject, claim[3])
                return
        self._verified.append((_now(), caller, subject))

    async def _on_request(self, message: Incoming) -> None:
        inbox, _, rest = message.reply.partition(".")
        caller, _, token = rest.partition(".")
        if inbox != "_INBOX" or not (caller and token):
            return
        if not self._identified:
            self._answer_request(caller, message.subject, message.reply)
            return
        self._forget_old()
        for copy in self._verified:
            if copy[1:] == (caller, message.subject):
                self._verified.remove(copy)
                self._answer_request(caller, message.subject, message.reply)
                return
        self._claimed.append((_now(), caller, message.subject, message.reply))

    def _forget_old(self) -> None:
        oldest = _now() - MATCH_WITHIN_S
        for copies in (self._verified, self._claimed):
            while copies and copies[0][0] < oldest:
                copies.popleft()
                self._warn_of_old_config()

    def _warn_of_old_config(self) -> None:
        """Warn once that requests arrive without a caller's name, if none ever had one."""
        if self._may_warn:
            log.warning(
                "discovery.callers_unknown",
                meaning="the broker does not say who asks $SRV: write its identity config again (`fleetfold keys "
                "broker`) and restart it",
            )
            self._may_warn = False


def _now() -> float:
    return asyncio.get_running_loop().time()
