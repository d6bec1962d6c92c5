"""The node's side of its durable commands: the broker pushes them, the node acks by answering.

A node needs no JetStream permission for this. A message that is not acked is delivered again: after `ACK_WAIT_S`, or
at once when the master resets the consumer because the node has come back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from fleetfold_broker.background_tasks import BackgroundTasks
from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.identity.seal_check import SealCheck
from fleetfold_broker.jetstream.topology import ACK_WAIT_S, COMMANDS
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_shared.errors import FleetfoldError, Forbidden, InvalidInput, Unavailable
from fleetfold_shared.messages import Command, decode
from fleetfold_shared.whole_numbers import whole_number

__all__ = ["PushConsumer"]

log = structlog.get_logger(__name__)

ACK, IN_PROGRESS, TERM = b"+ACK", b"+WPI", b"+TERM"
REASON_BYTES = 400
SEQUENCE, STORED_AT = 5, 7
"""Which tokens of a delivery's reply subject say which message of the stream it is, and when that was stored, in
nanoseconds: `$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<seq>.<stored>.<pending>`."""

Handler = Callable[[Command, float], Awaitable[None]]
"""Gets a command and its age in seconds; returns when it has ended and its result is stored, so it may be acked."""


class PushConsumer:
    """Hands over what is delivered, and tells the broker that it is still at it.

    What no master has sealed is refused by `seals`, and not delivered again.

    A command is handed over once at a time, however often it comes. Copies of it, which the master sends while it has
    no answer, are acked at once, or a few hours of work would fill the consumer with them: the first one stays stored.
    The consumer's `max_ack_pending` bounds how much is delivered at once; the handler has its own limits.
    """

    def __init__(self, bus: Bus, node: str, handler: Handler, seals: SealCheck | None = None) -> None:
        self._bus, self._node, self._handler, self._seals = bus, node, handler, seals
        self._acks = f"$JS.ACK.{COMMANDS}.{node}."
        self._tasks, self._quiet = BackgroundTasks(), LimitedLog(log)
        self._held: dict[str, str] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._end: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Hear this node's commands."""
        self._keeper = asyncio.create_task(self._stay_in_progress())
        self._end = await self._bus.subscribe(self._bus.subjects.deliver(self._node), self._receive, self._node)

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take nothing new, finish what runs within `grace_s`; what is left is delivered again to whoever comes."""
        if self._end:
            await self._end()
            self._end = None
        await self._tasks.drain(grace_s)
        if self._keeper:
            self._keeper.cancel()

    async def _receive(self, message: Incoming) -> None:
        if message.reply.startswith(self._acks):
            self._tasks.spawn(self._run(message))
        else:  # anything may be aimed at a subject by naming it as a reply; only the stream delivers with these
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
        except Forbidden as error:  # which the check has logged
            await self._bus.link.publish(message.reply, _terminated(message.data, error))
            return
        if command.id in self._held:
            await self._come_again(command.id, message.reply)
            return
        self._held[command.id] = message.reply
        try:
            await self._handler(command, _age_s(message.reply))
            await self._bus.link.publish(self._held[command.id], ACK)
        except FleetfoldError as error:  # not acked, so it comes again
            self._quiet.warning("delivery.not_finished", self._node, command=command.id, reason=error.message)
        finally:
            del self._held[command.id]

    async def _read(self, message: Incoming) -> Command:
        if self._seals is not None:
            await self._seals.check(self._bus.subjects.command(self._node), message.data, message.headers)
        return decode(message.data, Command)

    async def _come_again(self, command_id: str, reply: str) -> None:
        """A command that is held already: as the same message, after the link was down, or as a copy."""
        if _token(reply, SEQUENCE) == _token(self._held[command_id], SEQUENCE):
            self._held[command_id] = reply
        else:
            with contextlib.suppress(Unavailable):  # it comes again
                await self._bus.link.publish(reply, ACK)

    async def _stay_in_progress(self) -> None:
        """Tell the broker of all that is held that it is still being worked at."""
        while True:
            await asyncio.sleep(ACK_WAIT_S / 3)
            for reply in list(self._held.values()):
                with contextlib.suppress(Unavailable):  # the next round goes over the next connection
                    await self._bus.link.publish(reply, IN_PROGRESS)


class _Named(msgspec.Struct):
    id: str = ""


def _terminated(data: bytes, error: FleetfoldError) -> bytes:
    """Not again, and why: its id, if that can be read, and what is wrong. The broker tells it to the masters."""
    try:
        name = msgspec.json.decode(data, type=_Named).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        name = ""
    reason = " ".join(f"{name or '-'} {error.message}".split())
    return TERM + b" " + reason.encode("ascii", "replace")[:REASON_BYTES]


def _age_s(reply: str) -> float:
    """Since it was stored; 0 where the reply subject does not say when."""
    stored_at = whole_number(_token(reply, STORED_AT))
    return 0.0 if stored_at is None else max(0.0, time.time() - stored_at / 1e9)


def _token(reply: str, index: int) -> str:
    tokens = reply.split(".")
    return tokens[index] if index < len(tokens) else ""
