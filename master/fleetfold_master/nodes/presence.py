"""Presence without polling: a node is up while it is heard from; each change is reported once."""

from __future__ import annotations

from collections import deque

import structlog

from fleetfold_master.events import NodeDown, NodeUp, Publish, publish_to_nobody
from fleetfold_shared.clock import Clock

__all__ = ["MISSED_HEARTBEATS", "Presence"]

log = structlog.get_logger(__name__)

MISSED_HEARTBEATS = 3
EMA_ALPHA = 0.3


class Presence:
    """When each node was last heard from, by the monotonic clock, and its latency.

    A node is down after three heartbeats of silence, or at once when the broker reports no responders or the node
    says goodbye. `heartbeat_s` is the interval that nodes are told. While a node still uses another, it is judged
    by the longest of that interval and those of its last three heartbeats.
    """

    def __init__(self, clock: Clock, heartbeat_s: float, publish: Publish = publish_to_nobody) -> None:
        self._clock, self._publish = clock, publish
        self.heartbeat_s = heartbeat_s
        self._heard: dict[str, float] = {}
        self._intervals: dict[str, deque[float]] = {}
        self._response_ms: dict[str, float] = {}
        self._lives: dict[str, int] = {}

    def heard(self, node: str, heartbeat_s: float | None = None) -> None:
        """Record a message of the node. `heartbeat_s` is the interval that it uses, if known."""
        new = node not in self._heard
        self._heard[node] = self._clock.monotonic()
        if heartbeat_s is not None:
            self._intervals.setdefault(node, deque(maxlen=MISSED_HEARTBEATS)).append(heartbeat_s)
        if new:
            self.reborn(node)
            log.info("node.up", node=node)
            self._publish(NodeUp(node))

    def reborn(self, node: str) -> None:
        """Record that the node came back, or is another process."""
        self._lives[node] = self.life(node) + 1

    def life(self, node: str) -> int:
        """How often the node has come back."""
        return self._lives.get(node, 0)

    def gone(self, node: str) -> None:
        """Mark the node as down."""
        self._intervals.pop(node, None)
        if self._heard.pop(node, None) is not None:
            log.warning("node.down", node=node)
            self._publish(NodeDown(node))

    def left(self, node: str) -> None:
        """Record the node's goodbye."""
        self._intervals.pop(node, None)
        if self._heard.pop(node, None) is not None:
            log.info("node.stopped", node=node)
            self._publish(NodeDown(node, stopped=True))

    def is_up(self, node: str) -> bool:
        """Whether the node was heard from lately."""
        heard = self._heard.get(node)
        return heard is not None and self._clock.monotonic() - heard <= self._patience_s(node)

    def sweep(self) -> None:
        """Mark nodes as down that have been silent too long."""
        for node in [node for node in self._heard if not self.is_up(node)]:
            self.gone(node)

    def answered(self, node: str, ms: float) -> None:
        """Record that the node answered a request in `ms`."""
        before = self._response_ms.get(node, ms)
        self._response_ms[node] = before + EMA_ALPHA * (ms - before)

    def response_ms(self, node: str) -> float | None:
        """Exponential moving average of its latency (alpha 0.3); None before the first answer."""
        return self._response_ms.get(node)

    def _patience_s(self, node: str) -> float:
        return MISSED_HEARTBEATS * max(self.heartbeat_s, *self._intervals.get(node, ()), 0.0)
