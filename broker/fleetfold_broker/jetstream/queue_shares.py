"""How many bytes the queue of each node holds, in a stream that all nodes share, and how many it may.

The writers of the queues keep the shares: a queue may grow to what is left free. One node that is away then gets half
of the stream, two of them a third each, and something is always left for the others. Reasons: docs/decisions/0021.

The broker knows how many messages wait for whom, and the bytes of all of them. What this master has stored it knows to
the byte; of what others have stored, or a master before it, each message counts as their mean.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream.topology import COMMANDS
from fleetfold_shared.errors import FleetfoldError, Overloaded

__all__ = ["QueueShares"]

READ_EVERY_S = 2.0
"""How old the broker's numbers may be when something is stored."""
READ_WITHIN_S = 2.0
RECORD_BYTES = 64
"""What the broker's record of a message takes beside its subject, headers and body; rather more than it does."""


class _Queue(NamedTuple):
    messages: int = 0
    held_bytes: float = 0.0


class _State(msgspec.Struct):
    bytes: int = 0
    subjects: dict[str, int] | None = None


class _Info(msgspec.Struct):
    state: _State | None = None


_info_decoder = msgspec.json.Decoder(_Info)


class QueueShares:
    """The queues of one stream of `most_bytes`, as one master sees them."""

    def __init__(self, bus: Bus, most_bytes: int) -> None:
        self._bus, self._most_bytes = bus, most_bytes
        self._queues: dict[str, _Queue] = {}
        self._in_all = 0.0
        self._storing = Counter[str]()
        self._read_at = float("-inf")

    async def store(self, subject: str, data: bytes, headers: Mapping[str, str], timeout_s: float) -> None:
        """Return when the broker has stored `data`; `Overloaded` when the queue has its share, else as `Bus.store`."""
        if asyncio.get_running_loop().time() - self._read_at >= READ_EVERY_S:
            await self._read()
        size = (
            RECORD_BYTES + len(subject) + len(data) + sum(len(name) + len(value) + 4 for name, value in headers.items())
        )
        self._check(subject, size)
        self._storing[subject] += size
        try:
            await self._bus.store(subject, data, dict(headers), timeout_s)
            self._add(subject, size)
        finally:
            self._storing[subject] -= size
            if not self._storing[subject]:
                del self._storing[subject]

    def _check(self, subject: str, size: int) -> None:
        held = self._queue(subject).held_bytes + self._storing[subject]
        free = self._most_bytes - self._in_all - self._storing.total()
        if held and held + size > free:  # one that is empty is the broker's to refuse
            raise Overloaded(
                f"the queue {subject} is full (it has {held / 1e6:,.1f} MB, and {max(0.0, free) / 1e6:,.1f} MB are "
                "left for all); wait until its node has caught up"
            )

    def _queue(self, subject: str) -> _Queue:
        return self._queues.get(subject, _Queue())

    def _add(self, subject: str, size: int) -> None:
        held = self._queue(subject)
        self._queues[subject] = _Queue(held.messages + 1, held.held_bytes + size)
        self._in_all += size

    async def _read(self) -> None:
        """Correct the numbers by the broker's; without its word they stay."""
        self._read_at = asyncio.get_running_loop().time()
        ask = msgspec.json.encode({"subjects_filter": self._bus.subjects.command()})
        with contextlib.suppress(FleetfoldError, msgspec.MsgspecError):
            answer = await self._bus.ask(f"$JS.API.STREAM.INFO.{COMMANDS}", ask, READ_WITHIN_S)
            state = _info_decoder.decode(answer.data).state
            if state is not None:
                self._set(state.subjects or {}, state.bytes)

    def _set(self, counts: Mapping[str, int], in_all: int) -> None:
        known = {subject: _newest(self._queue(subject), count) for subject, count in counts.items()}
        others = sum(counts.values()) - sum(queue.messages for queue in known.values())
        left = max(0.0, in_all - sum(queue.held_bytes for queue in known.values()))
        mean = left / others if others else 0.0
        self._queues = {
            subject: _Queue(count, known[subject].held_bytes + (count - known[subject].messages) * mean)
            for subject, count in counts.items()
        }
        self._in_all = float(in_all)


def _newest(queue: _Queue, count: int) -> _Queue:
    """What is left of a queue of which so many messages still wait."""
    return queue if queue.messages <= count else _Queue(count, queue.held_bytes * count / queue.messages)
