"""Interceptor that drops calls without a body: every message of the fleet has one.

An empty message is a reply of the broker, such as its «no responders», that a third party directed at this subject by
naming it as the reply of a request of its own.
"""

from __future__ import annotations

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_shared.messages import Message

__all__ = ["skip_empty"]


async def skip_empty(call: Call, proceed: Handler) -> Message | None:
    """Pass a call on if it has a body; otherwise do nothing and reply nothing."""
    return await proceed(call) if call.body else None
