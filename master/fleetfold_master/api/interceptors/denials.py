"""`Denials`: counts the calls that were denied, and records them in the audit log."""

from __future__ import annotations

from fleetfold_broker.rpc.pipeline import MESSAGE, Call, Handler
from fleetfold_master.api.audit_target import AuditSubject
from fleetfold_master.api.binding import Bindings
from fleetfold_master.api.denied_requests import DeniedRequests
from fleetfold_master.api.interceptors.authenticate import PRINCIPAL
from fleetfold_shared.errors import Forbidden, RateLimited
from fleetfold_shared.messages import Message

__all__ = ["Denials"]


class Denials:
    """Sees the denials of all interceptors after it, and of the handlers, which check scopes."""

    def __init__(self, denied: DeniedRequests, bindings: Bindings) -> None:
        self._denied, self._bindings = denied, bindings

    async def __call__(self, call: Call, proceed: Handler) -> Message | None:
        """Pass the call on; count its denial."""
        try:
            return await proceed(call)
        except (Forbidden, RateLimited) as error:
            role = call.get(PRINCIPAL).role if PRINCIPAL in call else ""
            self._denied.count(call.identity, role, call.verb, error, self._subject(call))
            raise

    def _subject(self, call: Call) -> AuditSubject:
        """What the request names; empty if it was denied before it was decoded."""
        if MESSAGE not in call or (touches := self._bindings[call.verb].touches) is None:
            return AuditSubject()
        return touches(call.get(MESSAGE), None) or AuditSubject()
