"""Requests in progress at one server, and direct access to that server for callers that look for theirs.

All servers of a queue group answer `locate`, each for itself: who it is, and whether it has the request that the caller
names by its reply subject. A server that hangs answers nothing, so a caller that hears no claim sends its request
again, to one that has answered: `hedging` is the caller's side.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Callback, Incoming
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.subjects import inbox
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import Locate, Located, decode, encode

__all__ = ["HeldRequests", "serve_directly"]

log = structlog.get_logger(__name__)


class HeldRequests:
    """The reply subjects of the requests that a server has accepted and not answered yet."""

    def __init__(self) -> None:
        self._replies: set[str] = set()

    def __contains__(self, reply: str) -> bool:
        return reply in self._replies

    def add(self, reply: str) -> None:
        """Hold a request from now on."""
        self._replies.add(reply)

    def discard(self, reply: str) -> None:
        """Let go of a request that has ended."""
        self._replies.discard(reply)


async def serve_directly(bus: Bus, server: str, held: HeldRequests, receivers: Mapping[str, Callback]) -> None:
    """Answer `locate` as `server`, and pass requests that are addressed to it on to the receivers of their verbs."""
    subjects, quiet = bus.subjects, LimitedLog(log)

    async def located(message: Incoming) -> None:
        caller = subjects.token(message.subject, 1)
        if not message.reply.startswith(f"{inbox(caller)}."):
            return
        try:
            request = decode(message.data, Locate).request
        except InvalidInput as error:
            quiet.warning("locate.malformed", caller, caller=caller, reason=error.message)
            return
        holds = request.startswith(f"{inbox(caller)}.") and request in held
        with contextlib.suppress(Unavailable):
            await bus.connection.publish(message.reply, encode(Located(master=server, holds=holds)))

    await bus.connection.subscribe(subjects.locate(), located)
    await bus.connection.subscribe(
        subjects.direct("*", server), _passed_on(receivers, _verb_of(subjects.direct("", server, "")))
    )


def _verb_of(pattern: str) -> Callable[[str], str]:
    skipped = pattern.count(".")
    return lambda subject: ".".join(subject.split(".")[skipped:])


def _passed_on(receivers: Mapping[str, Callback], verb_of: Callable[[str], str]) -> Callback:
    async def receive(message: Incoming) -> None:
        if (receiver := receivers.get(verb_of(message.subject))) is not None:
            await receiver(message)

    return receive
