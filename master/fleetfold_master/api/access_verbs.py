"""Handlers of the verbs about the caller's identity, about logins, and of the audit log."""

from __future__ import annotations

from typing import Any

from fleetfold_broker.rpc.admission import begin_waiting
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.container import AccessContainer
from fleetfold_master.api.audit_view import check_audit, view_audit
from fleetfold_master.api.binding import Binding
from fleetfold_master.api.denied_requests import DeniedRequests
from fleetfold_shared import verbs
from fleetfold_shared.messages import (
    AccessStats,
    AccessStatsRequest,
    AuditList,
    AuditListed,
    Identity,
    WhoAmI,
)  # fmt: skip

__all__ = ["AccessVerbs"]


class AccessVerbs:
    """The handlers. `denied` counts the requests that were denied."""

    def __init__(self, container: AccessContainer, denied: DeniedRequests) -> None:
        self._container, self._denied = container, denied

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of these areas, with their handlers."""
        return (
            Binding(verbs.access.WHOAMI, self._whoami),
            Binding(verbs.access.STATS, self._stats),
            Binding(verbs.audit.LIST, self._audit_list),
        )

    async def _whoami(self, _ask: WhoAmI, who: Principal) -> Identity:
        return Identity(name=who.name, role=who.role, scopes=who.scopes)

    async def _stats(self, _ask: AccessStatsRequest, _who: Principal) -> AccessStats:
        authenticator = self._container.authenticator
        return AccessStats(
            admitted=authenticator.admitted,
            refused={str(reason): count for reason, count in authenticator.refused.items()},
            forbidden=self._denied.forbidden,
            limited=self._denied.limited,
        )

    async def _audit_list(self, ask: AuditList, who: Principal) -> AuditListed:
        check_audit(ask, who)
        if ask.wait_ms:
            begin_waiting()
        listed = await self._container.audit.list(ask)
        return AuditListed(entries=view_audit(listed.entries, ask, who))
