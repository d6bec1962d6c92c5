"""Interceptor that drops replies for which nobody waits any more: a gathering master would count them as junk."""

from __future__ import annotations

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_shared.messages import Message

__all__ = ["drop_late_reply"]


async def drop_late_reply(call: Call, proceed: Handler) -> Message | None:
    """Return the reply, or `None` when the call's deadline has passed meanwhile. Errors pass in any case."""
    reply = await proceed(call)
    left_s = call.remaining_s()
    return reply if left_s is None or left_s > 0 else None
