"""NATS auth callout: the broker asks the masters about each login, and one of them answers with a signed user JWT.

All masters subscribe in one queue group, so any live one answers. Without any, the broker waits until its
`authorization.timeout` and refuses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.identity.grants import Grant, LoginData, LoginRefused
from fleetfold_broker.identity.permissions import permissions
from fleetfold_broker.identity.server_accounts import APP
from fleetfold_broker.identity.user_jwt import AuthRequest, Issuer, read_request
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.concurrency import BackgroundTasks

__all__ = ["Admit", "Callout"]

log = structlog.get_logger(__name__)

SUBJECT = "$SYS.REQ.USER.AUTH"
QUEUE = "masters"


Admit = Callable[[LoginData], Awaitable[Grant]]
"""Decides on a login: returns a grant, or raises `LoginRefused` or a subclass."""


class Callout:
    """Answers the broker's authorization requests, on a bus of the account AUTH."""

    def __init__(self, bus: Bus, issuer: Issuer, subjects: Subjects, admit: Admit) -> None:
        self._bus, self._issuer, self._subjects, self._admit = bus, issuer, subjects, admit
        self._tasks, self._quiet = BackgroundTasks(), LimitedLog(log)
        self._end: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Subscribe to authorization requests."""
        self._end = await self._bus.connection.subscribe(SUBJECT, self._receive, QUEUE)
        await self._bus.connection.barrier()

    async def stop(self) -> None:
        """Unsubscribe, so that other masters get the requests, and finish those under way within a second."""
        if self._end:
            await self._end()
            self._end = None
        await self._tasks.drain(1.0)

    async def _receive(self, message: Incoming) -> None:
        self._tasks.spawn(self._answer(message))

    async def _answer(self, message: Incoming) -> None:
        try:
            request = read_request(message.data)
        except ValueError as error:
            self._quiet.warning("callout.malformed", SUBJECT, reason=str(error))
            return
        await self._bus.connection.publish(message.reply, await self._decide(request))

    async def _decide(self, request: AuthRequest) -> bytes:
        try:
            grant = await self._admit(request.presented)
        except LoginRefused as error:
            return self._issuer.response(request, error=str(error))
        except Exception:  # a defect must refuse at once: the client waits for the reply
            log.exception("callout.broke", name=request.presented.name)
            return self._issuer.response(request, error="the master failed; its log has the details")
        allowed = permissions(grant, self._subjects)
        user = self._issuer.user(request.user_nkey, grant.name, APP, allowed, grant.expires_at)
        return self._issuer.response(request, user=user)
