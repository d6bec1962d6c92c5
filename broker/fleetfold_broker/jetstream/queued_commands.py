"""Search of one subject's queue in a stream, to remove messages before they are delivered.

The stream is read in batches by direct get (ADR-31), which affects neither its consumers nor the other queues.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.headers import MESSAGE_ID, STATUS
from fleetfold_shared.errors import DeadlineExceeded, Unavailable
from fleetfold_shared.ids import new_id

__all__ = ["QueuedCommand", "find"]

BATCH = 500
"""Most messages, and most bytes, read at once: the event loop runs other work between batches, and memory stays
bounded.
"""
BATCH_BYTES = 4_000_000
SILENCE_S = 2.0
SEQUENCE, LAST_SEQUENCE, PENDING = "Nats-Sequence", "Nats-Last-Sequence", "Nats-Num-Pending"


class QueuedCommand(NamedTuple):
    """A message in a queue: its sequence in the stream, and its message id `<command id>#<attempt>`."""

    seq: int
    message_id: str

    @property
    def command(self) -> str:
        """Id of the command in the message."""
        return self.message_id.rpartition("#")[0]

    @property
    def is_first(self) -> bool:
        """Whether it is the first attempt; later attempts stand behind it."""
        return self.message_id.endswith("#1")


async def find(bus: Bus, stream: str, subject: str, ids: Collection[str], since: float) -> list[QueuedCommand]:
    """Return the messages that carry one of the commands `ids`, of those stored after `since` (Unix seconds).

    Raises `Unavailable` when the stream does not answer or is lost meanwhile, `DeadlineExceeded` when it is silent.
    """
    found: list[QueuedCommand] = []
    ask: dict[str, object] = {"start_time": datetime.fromtimestamp(max(since, 0.0), UTC).isoformat()}
    while ask:
        page = _page(bus, stream, {**ask, "next_by_subj": subject, "batch": BATCH, "max_bytes": BATCH_BYTES})
        ask = {}
        async with aclosing(page) as messages:
            async for message in messages:
                headers = message.headers or {}
                if (name := headers.get(MESSAGE_ID, "")).rpartition("#")[0] in ids:
                    found.append(QueuedCommand(int(headers[SEQUENCE]), name))
                if headers.get(PENDING, "0") != "0":
                    ask = {"seq": int(headers.get(SEQUENCE) or headers[LAST_SEQUENCE]) + 1}
    return found


async def _page(bus: Bus, stream: str, ask: dict[str, object]) -> AsyncGenerator[Incoming, None]:
    """Yield the messages of one batch, without the status message that ends it."""
    received: asyncio.Queue[Incoming] = asyncio.Queue()

    async def hear(message: Incoming) -> None:
        received.put_nowait(message)

    inbox = f"{bus.connection.options.inbox_prefix}.{new_id()}"
    unsubscribe = await bus.connection.subscribe(inbox, hear)
    try:
        await bus.connection.publish(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(ask), inbox)
        while STATUS not in ((message := await _next(received, stream)).headers or {}):
            yield message
        _check((message.headers or {})[STATUS], stream)
    finally:
        await unsubscribe()


async def _next(received: asyncio.Queue[Incoming], stream: str) -> Incoming:
    try:
        async with asyncio.timeout(SILENCE_S):
            return await received.get()
    except TimeoutError:
        raise DeadlineExceeded(f"the stream {stream} was not read within {SILENCE_S:g} s; ask again") from None


def _check(status: str, stream: str) -> None:
    """Raise `Unavailable` unless `status` is 204 (end of the batch) or 404 (no message)."""
    if status not in {"204", "404"}:
        raise Unavailable(f"the broker did not read the stream {stream}: status {status}")
