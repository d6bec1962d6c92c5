"""Enrolment client: requests credentials for a node that is not a member, or no longer."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.identity.grants import narrow_inbox, salted
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.errors import Unauthenticated
from fleetfold_shared.messages import Message

__all__ = ["BusEnrolmentClient", "EnrolmentClient", "JoinCall", "requests_over"]

ANSWER_S = 5.0

T = TypeVar("T", bound=Message)


class JoinCall(Protocol):
    """One request of `fleet.join.<name>`: `await ask("refresh", Refresh(...), Tokens)`. Raises the master's error."""

    async def __call__(self, verb: str, message: Message, kind: type[T], /) -> T: ...


class EnrolmentClient(Protocol):
    """Connects with a join, refresh or join-request token, which allows one kind of request."""

    def enter(self, credential: str) -> AbstractAsyncContextManager[JoinCall]: ...


class BusEnrolmentClient:
    """Enrolment over a separate connection for each request, with the salted token, so that it receives only its own
    replies.

    `enter` raises `Unauthenticated` when the broker refuses the token, `Unavailable` when no master is there to check
    it.
    """

    def __init__(self, url: str, name: str, subjects: Subjects, tls: ssl.SSLContext | None = None) -> None:
        self._url, self._name, self._subjects, self._tls = url, name, subjects, tls

    @asynccontextmanager
    async def enter(self, credential: str) -> AsyncIterator[JoinCall]:
        presented = salted(credential)
        options = ConnectionOptions(
            url=self._url, caller=self._name, inbox=narrow_inbox(self._name, presented),
            credential=_SingleToken(presented), tls=self._tls,
        )  # fmt: skip
        async with await Bus.open(options, self._subjects) as bus:
            yield requests_over(bus)


def requests_over(bus: Bus) -> JoinCall:
    """Return a function that sends requests over an open connection."""

    async def ask(verb: str, message: Message, kind: type[T], /) -> T:
        return await bus.request(bus.subjects.join(bus.caller, verb), message, kind, ANSWER_S)

    return ask


class _SingleToken:
    """Credential source of a single token, without a successor."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        return self._token

    async def refused(self) -> None:
        raise Unauthenticated("the broker says that it is unknown, spent, expired or revoked")
