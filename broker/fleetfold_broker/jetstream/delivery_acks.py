"""Acknowledgement of a node's deliveries to the broker: in progress, ended, or not to be delivered again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter

import msgspec
import structlog

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream.command_decoding import COMMAND
from fleetfold_broker.jetstream.topology import ACK_WAIT_S
from fleetfold_broker.limited_log import LimitedLog
from fleetfold_broker.rpc.pipeline import Call, CallKey, Handler
from fleetfold_shared.errors import FleetfoldError, Forbidden, InvalidInput, Unavailable
from fleetfold_shared.integer_parsing import whole_number
from fleetfold_shared.messages import Message

__all__ = ["ACK_SUBJECT", "DeliveryAcks", "age_s"]

log = structlog.get_logger(__name__)

ACK, IN_PROGRESS, TERM = b"+ACK", b"+WPI", b"+TERM"
REASON_BYTES = 400
SEQUENCE, STORED_AT = 5, 7
"""Positions in a delivery's reply subject of the stream sequence and of the time of storage (nanoseconds):
`$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<seq>.<stored>.<pending>`.
"""
ACK_SUBJECT: CallKey[str] = CallKey("ack subject")
"""The delivery's reply subject, where it is acknowledged."""


class DeliveryAcks:
    """The acks of one node's deliveries, as two interceptors: around the decoding of a command, and around its run.

    A command is passed on once at a time, however often it is delivered. The master sends copies while it has no
    result; those are acked at once, because in a few hours of work they would fill the consumer: the first message
    stays stored. `exits` counts every delivery by its one end: `ended`, `not_ended`, `redelivered`, `cancelled`, or
    the code of the error for which it was terminated.
    """

    def __init__(self, bus: Bus, node: str) -> None:
        self._bus, self._node = bus, node
        self._quiet = LimitedLog(log)
        self._unacked: dict[str, str] = {}
        self.exits: Counter[str] = Counter()

    async def terminate_unreadable(self, call: Call, proceed: Handler) -> Message | None:
        """Have what no master has sealed, or what is no command, never delivered again; the masters hear why."""
        try:
            return await proceed(call)
        except InvalidInput as error:
            self._quiet.warning("delivery.malformed", self._node, reason=error.message)
            await self._terminate(call, error)
        except Forbidden as error:  # logged by the check
            await self._terminate(call, error)
        return None

    async def hold(self, call: Call, proceed: Handler) -> Message | None:
        """Run a command unless it is in hand, and ack it when it has ended. One that raises is delivered again."""
        command, delivery = call.get(COMMAND), call.get(ACK_SUBJECT)
        if command.id in self._unacked:
            await self._redelivered(command.id, delivery)
            return None
        self._unacked[command.id], end = delivery, "cancelled"
        try:
            reply = await proceed(call)
            await self._bus.connection.publish(self._unacked[command.id], ACK)
            end = "ended"
        except FleetfoldError as error:
            end = "not_ended"
            self._quiet.warning("delivery.not_finished", self._node, command=command.id, reason=error.message)
            return None
        except Exception:
            end = "not_ended"
            raise
        finally:
            del self._unacked[command.id]
            self.exits[end] += 1
        return reply

    async def report_in_progress(self) -> None:
        """Report all commands in hand as in progress for ever, three times per ack wait."""
        while True:
            await asyncio.sleep(ACK_WAIT_S / 3)
            for delivery in list(self._unacked.values()):
                with contextlib.suppress(Unavailable):  # reported again on the next connection
                    await self._bus.connection.publish(delivery, IN_PROGRESS)

    async def _redelivered(self, command_id: str, delivery: str) -> None:
        """Handle a second delivery of a command in hand: the same message, after a reconnect, or a copy of it."""
        self.exits["redelivered"] += 1
        if _token(delivery, SEQUENCE) == _token(self._unacked[command_id], SEQUENCE):
            self._unacked[command_id] = delivery
        else:
            with contextlib.suppress(Unavailable):  # it is redelivered
                await self._bus.connection.publish(delivery, ACK)

    async def _terminate(self, call: Call, error: FleetfoldError) -> None:
        self.exits[error.code] += 1
        await self._bus.connection.publish(call.get(ACK_SUBJECT), _terminated(call.body, error))


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


def age_s(call: Call) -> float:
    """Return the seconds since a delivered message was stored; 0 when its reply subject has no time."""
    stored_at = whole_number(_token(call.get(ACK_SUBJECT), STORED_AT))
    return 0.0 if stored_at is None else max(0.0, time.time() - stored_at / 1e9)


def _token(delivery: str, index: int) -> str:
    tokens = delivery.split(".")
    return tokens[index] if index < len(tokens) else ""
