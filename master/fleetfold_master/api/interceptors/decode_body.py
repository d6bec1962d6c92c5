"""`DecodeBody`: decodes the body into the message that the verb takes."""

from __future__ import annotations

from collections.abc import Awaitable

from fleetfold_broker.rpc.pipeline import MESSAGE, Call, Handler
from fleetfold_master.api.binding import Bindings
from fleetfold_shared.messages import Message, decode
from fleetfold_shared.values import check_names

__all__ = ["DecodeBody"]


class DecodeBody:
    """Also checks that no object in the body has a name twice: decoding would keep the last and drop the others."""

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Message | None]:
        """Record the message. Raises `InvalidInput`, naming the field."""
        message = decode(call.body, self._bindings[call.verb].verb.takes)
        check_names(message, call.body)
        call.put(MESSAGE, message)
        return proceed(call)
