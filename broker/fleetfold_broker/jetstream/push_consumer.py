"""Push consumer of a node's commands: the broker delivers them, and the node acks on the reply subject.

A node needs no JetStream permission for this. A message that is not acked is redelivered: after `ACK_WAIT_S`, or at
once when the master resets the consumer because the node is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.jetstream.delivery_acks import ACK_SUBJECT, DeliveryAcks
from fleetfold_broker.jetstream.topology import COMMANDS
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.rpc.trace_context import trace_context
from fleetfold_shared.concurrency import BackgroundTasks

__all__ = ["PushConsumer"]

log = structlog.get_logger(__name__)


class PushConsumer:
    """Passes delivered messages to a pipeline, as calls of the verb `command`, and keeps those in hand in progress.

    `handler` is the pipeline; the interceptors of `acks` in it acknowledge the deliveries. The consumer's
    `max_ack_pending` bounds the number of deliveries at once; the handler has limits of its own.
    """

    def __init__(self, bus: Bus, node: str, handler: Handler, acks: DeliveryAcks) -> None:
        self._bus, self._node, self._handler, self._acks = bus, node, handler, acks
        self._deliveries = f"$JS.ACK.{COMMANDS}.{node}."
        self._tasks, self._quiet = BackgroundTasks(), LimitedLog(log)
        self._keeper: asyncio.Task[None] | None = None
        self._end: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Subscribe to this node's commands."""
        self._keeper = asyncio.create_task(self._acks.report_in_progress())
        self._end = await self._bus.connection.subscribe(
            self._bus.subjects.deliver(self._node), self._receive, self._node
        )

    async def stop(self, grace_s: float = 5.0) -> None:
        """Unsubscribe, and finish running commands within `grace_s` seconds; the rest is redelivered."""
        if self._end:
            await self._end()
            self._end = None
        await self._tasks.drain(grace_s)
        if self._keeper:
            self._keeper.cancel()

    async def _receive(self, message: Incoming) -> None:
        if message.reply.startswith(self._deliveries):
            self._tasks.spawn(self._run(message))
        else:  # any message can be directed here as a reply; only the stream's deliveries have this reply subject
            self._quiet.warning(
                "delivery.not_from_the_stream", self._node, subject=message.subject, bytes=len(message.data)
            )

    async def _run(self, message: Incoming) -> None:
        """Pass a delivery on under the subject that its command was stored and sealed on."""
        headers = message.headers or {}
        call = Call(
            verb="command", body=message.data, subject=self._bus.subjects.command(self._node), headers=headers,
            trace=trace_context(headers), found={ACK_SUBJECT: message.reply},
        )  # fmt: skip
        await self._handler(call)
