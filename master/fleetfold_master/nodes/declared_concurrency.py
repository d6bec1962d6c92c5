"""Concurrency limits of actions as declared by the nodes: the lowest declared value counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.nodes.registry import Registry
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import NotFound

__all__ = ["DeclaredLimits"]

VALID_S = 2.0
"""Seconds for which the fleet-wide limits are cached; those of a job's own nodes are always read."""


class DeclaredLimits:
    """The limits of all actions of the fleet."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry, self._clock = registry, clock
        self._limits: dict[str, int] = {}
        self._until = 0.0

    def __call__(self, action: str, nodes: Sequence[str]) -> int | None:
        """The limit of `action` on `nodes`; None if no node declares one."""
        now = self._clock.monotonic()
        if now >= self._until:
            self._until, self._limits = now + VALID_S, _least(self._registry.all())
        here = (info.slots for node in self._known(nodes) for info in node.description.actions if info.name == action)
        return min((slots for slots in (self._limits.get(action), *here) if slots is not None), default=None)

    def _known(self, nodes: Iterable[str]) -> Iterable[StoredNode]:
        for name in nodes:
            try:
                yield self._registry.get(name)
            except NotFound:
                continue


def _least(nodes: Iterable[StoredNode]) -> dict[str, int]:
    slots: dict[str, int] = {}
    for node in nodes:
        for info in node.description.actions:
            if info.slots is not None:
                slots[info.name] = min(info.slots, slots.get(info.name, info.slots))
    return slots
