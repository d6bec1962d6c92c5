"""Push consumer of a node's commands: the broker delivers them, and the node acks on the reply subject.

A node needs no JetStream permission for this. A message that is not acked is redelivered: after `ACK_WAIT_S`, or at
once when the master resets the consumer because the node is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.identity.seal_check import SealCheck
from fleetfold_broker.jetstream.topology import ACK_WAIT_S, COMMANDS
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import FleetfoldError, Forbidden, InvalidInput, Unavailable
from fleetfold_shared.messages import Command, decode
from fleetfold_shared.whole_numbers import whole_number

__all__ = ["PushConsumer"]

log = structlog.get_logger(__name__)

ACK, IN_PROGRESS, TERM = b"+ACK", b"+WPI", b"+TERM"
REASON_BYTES = 400
SEQUENCE, STORED_AT = 5, 7
"""Positions in a delivery's reply subject of the stream sequence and of the time of storage (nanoseconds):
`$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<seq>.<stored>.<pending>`.
"""

Handler = Callable[[Command, float], Awaitable[None]]
"""Executes a command, given its age in seconds; returns when it has ended and its result is stored, so that it may be
acked.
"""


class PushConsumer:
    """Passes delivered commands to the handler, and keeps them in progress at the broker.

    `seals` refuses what no master has sealed; that is terminated and not redelivered.

    A command is passed on once at a time, however often it is delivered. The master sends copies while it has no
    result; those are acked at once, because in a few hours of work they would fill the consumer: the first message
    stays stored. The consumer's `max_ack_pending` bounds the number of deliveries at once; the handler has limits of
    its own.
    """

    def __init__(self, bus: Bus, node: str, handler: Handler, seals: SealCheck | None = None) -> None:
        self._bus, self._node, self._handler, self._seals = bus, node, handler, seals
        self._acks = f"$JS.ACK.{COMMANDS}.{node}."
        self._tasks, self._quiet = BackgroundTasks(), LimitedLog(log)
        self._in_hand: dict[str, str] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._end: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Subscribe to this node's commands."""
        self._keeper = asyncio.create_task(self._report_in_progress())
        self._end = await self._bus.subscribe(self._bus.subjects.deliver(self._node), self._receive, self._node)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Unsubscribe, and finish running commands within `grace_s` seconds; the rest is redelivered."""
        if self._end:
            await self._end()
            self._end = None
        await self._tasks.drain(grace_s)
        if self._keeper:
            self._keeper.cancel()

    async def _receive(self, message: Incoming) -> None:
        if message.reply.startswith(self._acks):
            self._tasks.spawn(self._run(message))
        else:  # any message can be directed here as a reply; only the stream's deliveries have this reply subject
            self._quiet.warning(
                "delivery.not_from_the_stream", self._node, subject=message.subject, bytes=len(message.data)
            )

    async def _run(self, message: Incoming) -> None:
        try:
            command = await self._read(message)
        except InvalidInput as error:
            self._quiet.warning("delivery.malformed", self._node, reason=error.message)
            await self._bus.link.publish(message.reply, _terminated(message.data, error))
            return
        except Forbidden as error:  # logged by the check
            await self._bus.link.publish(message.reply, _terminated(message.data, error))
            return
        if command.id in self._in_hand:
            await self._redelivered(command.id, message.reply)
            return
        self._in_hand[command.id] = message.reply
        try:
            await self._handler(command, _age_s(message.reply))
            await self._bus.link.publish(self._in_hand[command.id], ACK)
        except FleetfoldError as error:  # not acked, so it is redelivered
            self._quiet.warning("delivery.not_finished", self._node, command=command.id, reason=error.message)
        finally:
            del self._in_hand[command.id]

    async def _read(self, message: Incoming) -> Command:
        if self._seals is not None:
            await self._seals.check(self._bus.subjects.command(self._node), message.data, message.headers)
        return decode(message.data, Command)

    async def _redelivered(self, command_id: str, reply: str) -> None:
        """Handle a second delivery of a command in hand: the same message, after a reconnect, or a copy of it."""
        if _token(reply, SEQUENCE) == _token(self._in_hand[command_id], SEQUENCE):
            self._in_hand[command_id] = reply
        else:
            with contextlib.suppress(Unavailable):  # it is redelivered
                await self._bus.link.publish(reply, ACK)

    async def _report_in_progress(self) -> None:
        """Report all commands in hand as in progress, three times per ack wait."""
        while True:
            await asyncio.sleep(ACK_WAIT_S / 3)
            for reply in list(self._in_hand.values()):
                with contextlib.suppress(Unavailable):  # reported again on the next connection
                    await self._bus.link.publish(reply, IN_PROGRESS)


class _Named(msgspec.Struct):
    id: str = ""


def _terminated(data: bytes, error: FleetfoldError) -> bytes:
    """Return a TERM ack with the command's id, if readable, and the reason. The broker passes both to the masters in an
    advisory.
    """
    try:
        name = msgspec.json.decode(data, type=_Named).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        name = ""
    reason = " ".join(f"{name or '-'} {error.message}".split())
    return TERM + b" " + reason.encode("ascii", "replace")[:REASON_BYTES]


def _age_s(reply: str) -> float:
    """Return the seconds since the message was stored; 0 when the reply subject has no time."""
    stored_at = whole_number(_token(reply, STORED_AT))
    return 0.0 if stored_at is None else max(0.0, time.time() - stored_at / 1e9)


def _token(reply: str, index: int) -> str:
    tokens = reply.split(".")
    return tokens[index] if index < len(tokens) else ""
