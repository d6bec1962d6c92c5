"""Interceptor that names the call in every log line written while it is served."""

from __future__ import annotations

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_shared.log_fields import SERVED
from fleetfold_shared.messages import Message

__all__ = ["bind_log_context"]


async def bind_log_context(call: Call, proceed: Handler) -> Message | None:
    """Serve the call as the one that the log's lines name: by its verb, its caller and its trace."""
    before = SERVED.set(call)
    try:
        return await proceed(call)
    finally:
        SERVED.reset(before)
