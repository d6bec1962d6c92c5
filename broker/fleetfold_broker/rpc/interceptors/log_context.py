"""Interceptor that names the call in every log line written while it is served."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_shared.messages import Message

__all__ = ["bind_log_context"]


async def bind_log_context(call: Call, proceed: Handler) -> Message | None:
    """Serve the call with its verb, its caller and its trace, where it has them, in the log's context."""
    fields = {"verb": call.verb}
    if call.identity:
        fields["caller"] = call.identity
    if call.trace is not None:
        fields |= {"trace_id": call.trace.trace_id, "span_id": call.trace.span_id}
    with bound_contextvars(**fields):
        return await proceed(call)
