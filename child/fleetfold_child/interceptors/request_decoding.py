"""Interceptor that decodes the requests of masters by the table of the node's verbs."""

from __future__ import annotations

from collections.abc import Awaitable

from fleetfold_broker.rpc.pipeline import MESSAGE, Call, Handler
from fleetfold_shared.messages import Message, decode
from fleetfold_shared.verbs.node_requests import NODE_VERBS

__all__ = ["decode_request"]


def decode_request(call: Call, proceed: Handler) -> Awaitable[Message | None]:
    """Record the decoded message as `MESSAGE`. Raises `InvalidInput` when it is not the one that the verb takes."""
    call.put(MESSAGE, decode(call.body, NODE_VERBS[call.verb].takes))
    return proceed(call)
