"""`Authorise`: checks that the caller's role permits the verb."""

from __future__ import annotations

from collections.abc import Awaitable

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_master.access.authorizer import Authorizer
from fleetfold_master.api.interceptors.authenticate import PRINCIPAL
from fleetfold_shared.messages import Message

__all__ = ["Authorise"]


class Authorise:
    """Scopes are checked by the handlers: only they know what their message names."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Message | None]:
        """Raise `Forbidden`, naming the roles that have the verb, before anything is decoded."""
        self._authorizer.check(call.get(PRINCIPAL), call.verb)
        return proceed(call)
