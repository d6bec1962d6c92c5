"""A node's heartbeats, and what masters tell it in return: how often to be heard, and the state it is in."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from fleetfold_broker.bus import Bus
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Heartbeat, Joined, NodeDescription, NodeState, Problem, Standing

__all__ = ["Heartbeats", "Vitals"]

log = structlog.get_logger(__name__)

CHANGES_APART_S = 0.05
"""Changes that come closer together share a heartbeat."""


class Vitals(NamedTuple):
    """What a heartbeat says of the node."""

    description: NodeDescription
    in_flight: int
    problems: Sequence[Problem]


class Heartbeats:
    """The heartbeats of the node that `bus` belongs to. `vitals` gives what they say, as of now."""

    def __init__(self, bus: Bus, vitals: Callable[[], Vitals]) -> None:
        self._bus, self._name, self._vitals = bus, bus.caller, vitals
        self._state: NodeState = "active"
        self._seq = 0
        self._news = False
        self._wake = asyncio.Event()
        self.heartbeat_s = 5.0

    def changed(self) -> None:
        """Something that heartbeats say is new: say it soon."""
        self._news = True
        self._wake.set()

    def joined(self, joined: Joined) -> None:
        """Take in the master's answer to a join."""
        log.info("node.joined", state=joined.state)
        self.told(Standing(heartbeat_s=joined.heartbeat_s, state=joined.state, reason=joined.reason))

    def told(self, standing: Standing) -> None:
        """Take in what a master says of this node. A new interval counts from now."""
        if standing.heartbeat_s != self.heartbeat_s:
            self.heartbeat_s = standing.heartbeat_s
            self._wake.set()
        if standing.state != self._state:
            self._log(standing)
            self._state = standing.state

    async def beat(self) -> None:
        """Be heard for ever: at each interval, jittered, and at each change."""
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
        """Be heard now. `Unavailable` when the link is down."""
        self._seq += 1
        description, in_flight, problems = self._vitals()
        beat = Heartbeat(
            seq=self._seq, description=description, in_flight=in_flight, leaving=leaving, problems=list(problems),
            heartbeat_s=self.heartbeat_s, state=self._state,
        )  # fmt: skip
        await self._bus.publish(self._bus.subjects.heartbeat(self._name), beat)

    async def _due(self) -> None:
        """Return at a change, or when the interval is over; one that has changed meanwhile begins anew."""
        while not self._news:
            self._wake.clear()
            try:
                async with asyncio.timeout(self.heartbeat_s * random.uniform(0.9, 1.0)):  # noqa: S311 (jitter)
                    await self._wake.wait()
            except TimeoutError:
                return

    def _log(self, standing: Standing) -> None:
        """Say on this node's own terminal why it is not asked, and when it is again. It knows its own errors itself."""
        if standing.state == "active":
            log.info("node.is_asked_again", node=self._name)
        elif standing.state != "error":
            log.warning("node.is_not_asked", node=self._name, state=standing.state, reason=standing.reason)
