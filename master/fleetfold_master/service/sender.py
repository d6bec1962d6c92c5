"""Durable commands to nodes, over JetStream."""

from __future__ import annotations

from fleetfold_broker.bus import Bus
from fleetfold_shared.messages import Command

__all__ = ["BusSender"]

STORE_S = 2.0
"""How long one sending may take before the sweep takes over."""


class BusSender:
    """Publishes a command to its node's queue; each deliberate re-send has a message id of its own."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def send(self, node: str, command: Command) -> None:
        """Return when the broker has stored it; `Overloaded` when the queue is full, `Unavailable` otherwise."""
        subject = self._bus.subjects.command(node)
        await self._bus.publish_durably(subject, command, f"{command.id}#{command.attempt}", STORE_S)
