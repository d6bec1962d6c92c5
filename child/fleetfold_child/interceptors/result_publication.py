"""Interceptor that publishes the result of a command to the masters."""

from __future__ import annotations

from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_child.commands.result_publisher import ResultPublisher
from fleetfold_shared.messages import CommandResult, Message

__all__ = ["PublishResult"]


class PublishResult:
    """Returns when the broker has stored the result, so that the delivery of its command may be acked."""

    def __init__(self, results: ResultPublisher) -> None:
        self._results = results

    async def __call__(self, call: Call, proceed: Handler) -> Message | None:
        result = await proceed(call)
        if isinstance(result, CommandResult):
            await self._results.publish(result)
        return result
