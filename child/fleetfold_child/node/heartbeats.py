"""Heartbeats of a node, and what masters return: the heartbeat interval, and the node's state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_shared.backoff import Jitter
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.concurrency import ends_within
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Heartbeat, Joined, LedgerMark, NodeDescription, NodeState, Problem, Standing

__all__ = ["HeartbeatContents", "Heartbeats"]

log = structlog.get_logger(__name__)

EARLY = Jitter.below(0.1)
"""Part of the interval after which a heartbeat is sent, so that nodes do not send theirs together."""
CHANGES_APART_S = 0.05
"""Seconds within which changes share a heartbeat."""


class HeartbeatContents(NamedTuple):
    """What a heartbeat reports: the description, the number of commands in flight, and the problems."""

    description: NodeDescription
    in_flight: int
    problems: Sequence[Problem]
    ledger: LedgerMark | None
    ledger_accepted: bool


class Heartbeats:
    """Heartbeats of the node that `bus` belongs to. `contents` returns what the next one reports."""

    def __init__(self, bus: Bus, contents: Callable[[], HeartbeatContents], clock: Clock | None = None) -> None:
        self._bus, self._name, self._contents = bus, bus.caller, contents
        self._clock = clock or SystemClock()
        self._state: NodeState = "active"
        self._seq = 0
        self._news = False
        self._wake = asyncio.Event()
        self.heartbeat_s = 5.0

    def changed(self) -> None:
        """Send a heartbeat soon: its contents have changed."""
        self._news = True
        self._wake.set()

    def joined(self, joined: Joined) -> None:
        """Apply the master's reply to a join."""
        log.info("node.joined", state=joined.state)
        self.apply(Standing(heartbeat_s=joined.heartbeat_s, state=joined.state, reason=joined.reason))

    def apply(self, standing: Standing) -> None:
        """Take the state and the interval that a master has sent. A new interval counts from now."""
        if standing.heartbeat_s != self.heartbeat_s:
            self.heartbeat_s = standing.heartbeat_s
            self._wake.set()
        if standing.state != self._state:
            self._log(standing)
            self._state = standing.state

    async def run(self) -> None:
        """Send heartbeats for ever: at each interval, jittered, and at each change."""
        clock, said_at = asyncio.get_running_loop().time, 0.0
        while True:
            await self._due()
            await asyncio.sleep(said_at + CHANGES_APART_S - clock())
            said_at, self._news = clock(), False
            try:
                await self.say()
            except Unavailable:
                log.debug("node.not_heard")

    async def say(self, *, leaving: bool = False) -> None:
        """Send a heartbeat now. Raises `Unavailable` without a connection."""
        self._seq += 1
        contents = self._contents()
        heartbeat = Heartbeat(
            seq=self._seq, description=contents.description, in_flight=contents.in_flight, leaving=leaving,
            problems=list(contents.problems), heartbeat_s=self.heartbeat_s, state=self._state, at=self._clock.wall(),
            ledger=contents.ledger, ledger_accepted=contents.ledger_accepted,
        )  # fmt: skip
        await self._bus.publish(self._bus.subjects.heartbeat(self._name), heartbeat)

    async def _due(self) -> None:
        """Wait for a change or the end of the interval; a new interval starts again."""
        while not self._news:
            self._wake.clear()
            if not await ends_within(EARLY.apply(self.heartbeat_s), self._wake.wait()):
                return

    def _log(self, standing: Standing) -> None:
        """Log why the node is not used, and when it is again. Its own errors are logged elsewhere."""
        if standing.state == "active":
            log.info("node.is_asked_again", node=self._name)
        elif standing.state != "error":
            log.warning("node.is_not_asked", node=self._name, state=standing.state, reason=standing.reason)
