"""`Authenticate`: finds the principal behind a call's verified identity."""

from __future__ import annotations

from collections.abc import Awaitable

from fleetfold_broker.rpc.pipeline import Call, CallKey, Handler
from fleetfold_master.access.authorizer import Authorizer, Principal
from fleetfold_shared.messages import Message

__all__ = ["PRINCIPAL", "Authenticate"]

PRINCIPAL = CallKey[Principal]("principal")
"""The authenticated caller, with its role and scopes."""


class Authenticate:
    """The transport has proved the identity; its role and scopes are looked up here, for every call anew."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Message | None]:
        """Record the principal. Raises `Forbidden` for an identity that does not exist, or not any more."""
        if not self._authorizer.knows(call.identity):
            return self._look_again(call, proceed)
        call.put(PRINCIPAL, self._authorizer.principal(call.identity))
        return proceed(call)

    async def _look_again(self, call: Call, proceed: Handler) -> Message | None:
        """Reload the identities first: another master may have admitted this one just now."""
        await self._authorizer.look_again()
        call.put(PRINCIPAL, self._authorizer.principal(call.identity))
        return await proceed(call)
