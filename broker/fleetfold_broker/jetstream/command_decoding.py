"""Interceptor that decodes delivered commands."""

from __future__ import annotations

from collections.abc import Awaitable

from fleetfold_broker.rpc.pipeline import Call, CallKey, Handler
from fleetfold_shared.messages import Command, Message, decode

__all__ = ["COMMAND", "decode_command"]

COMMAND: CallKey[Command] = CallKey("command")
"""The command that was delivered."""


def decode_command(call: Call, proceed: Handler) -> Awaitable[Message | None]:
    """Record the decoded command. Raises `InvalidInput` when it is none."""
    call.put(COMMAND, decode(call.body, Command))
    return proceed(call)
