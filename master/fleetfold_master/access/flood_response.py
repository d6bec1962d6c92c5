"""What a master does about an identity that floods it, or whose credential was stolen: it ends its connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from fleetfold_master.access.audit_log import AuditLog
from fleetfold_master.access.auth_callout import Authenticator
from fleetfold_master.events import IdentityFlooded, SessionStolen
from fleetfold_shared.config import LimitsConfig

__all__ = ["Disconnect", "FloodResponse", "log_flood"]

log = structlog.get_logger(__name__)

Disconnect = Callable[[str], Awaitable[int]]
"""Ends an identity's connections, and returns their number."""
Spawn = Callable[[Coroutine[Any, Any, Any]], None]
"""Runs a coroutine in the background."""


class FloodResponse:
    """A subscriber of `IdentityFlooded` and `SessionStolen`; the disconnection runs in the background."""

    def __init__(
        self, limits: LimitsConfig, authenticator: Authenticator, audit: AuditLog, disconnect: Disconnect, spawn: Spawn
    ) -> None:
        self._limits, self._authenticator, self._audit = limits, authenticator, audit
        self._disconnect, self._spawn = disconnect, spawn

    def end_flood(self, event: IdentityFlooded) -> None:
        """Disconnect a flooding identity, and refuse its logins for `limits.flood_shut_out_s` seconds."""
        self._spawn(self._end_flood(event.identity))

    def end_stolen(self, event: SessionStolen) -> None:
        """Disconnect a node whose session has ended because its refresh token was stolen."""
        self._spawn(self._end(event.node))

    async def _end_flood(self, name: str) -> None:
        limits = self._limits
        self._authenticator.shut_out(name, limits.flood_shut_out_s)
        reason = f"over {limits.flood_per_s:,} messages a second; not let in for {limits.flood_shut_out_s:g} s"
        source = self._authenticator.where(name)
        self._audit.note(name, "bus.flood", "refused", role="child", node=name, reason=reason, source=source)
        log.warning("identity.flooded", name=name, connections=await self._disconnect(name), reason=reason)

    async def _end(self, name: str) -> None:
        await self._disconnect(name)


def log_flood(event: IdentityFlooded) -> None:
    """A subscriber for a fleet without authentication, where nobody can be disconnected."""
    log.warning("identity.flooded", name=event.identity)
