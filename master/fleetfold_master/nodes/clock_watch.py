"""Clock watch: which clocks are far from those of their peers, from the wall times in heartbeats.

The reference is the median of all nodes' clocks and this master's; between two middle ones it is the nearer to this
master's. So one clock that is wrong is found, whichever it is, as long as most are right.
"""

from __future__ import annotations

import structlog

from fleetfold_master.events import NodeClockOff, Publish, publish_to_nobody
from fleetfold_shared.clock import Clock

__all__ = ["BACK_S", "OFF_S", "THIS", "ClockWatch", "describe_offset"]

log = structlog.get_logger(__name__)

OFF_S = 60.0
"""Seconds from the reference beyond which a clock is wrong."""
BACK_S = 30.0
"""Seconds within which a wrong clock is right again."""
HEARTBEATS = 2
"""Heartbeats in a row that must say so: one alone may have waited on its way."""
THIS = ""
"""The name of this master's own clock."""


class ClockWatch:
    """Offsets of nodes' clocks in seconds, positive for those ahead of this master's."""

    def __init__(self, clock: Clock, publish: Publish = publish_to_nobody) -> None:
        self._clock, self._publish = clock, publish
        self._offsets: dict[str, float] = {}
        self._far: dict[str, int] = {}
        self._off: dict[str, float] = {}

    def heard(self, node: str, at: float | None) -> None:
        """Judge the wall time `at` of a heartbeat that came now."""
        if at is None:
            return
        self._offsets[node] = at - self._clock.wall()
        reference = self._reference()
        self._judge(node, self._offsets[node] - reference)
        self._judge(THIS, -reference)

    def forget(self, node: str) -> None:
        """Forget a node that has left."""
        for by_node in (self._offsets, self._far, self._off):
            by_node.pop(node, None)

    def off_s(self, node: str) -> float | None:
        """How far a wrong clock is ahead of its peers' in seconds, negative if behind; None for one that is right."""
        return self._off.get(node)

    def _reference(self) -> float:
        offsets = sorted((*self._offsets.values(), 0.0))
        return min(offsets[(len(offsets) - 1) // 2], offsets[len(offsets) // 2], key=abs)

    def _judge(self, name: str, off_s: float) -> None:
        if abs(off_s) > OFF_S:
            self._far[name] = self._far.get(name, 0) + 1
            if self._far[name] >= HEARTBEATS:
                self._wrong(name, off_s)
            return
        self._far.pop(name, None)
        if name in self._off and abs(off_s) <= BACK_S:
            del self._off[name]
            self._tell(name, 0.0)

    def _wrong(self, name: str, off_s: float) -> None:
        new = name not in self._off
        self._off[name] = round(off_s, 1)
        if new:
            self._tell(name, off_s)

    def _tell(self, name: str, off_s: float) -> None:
        what = f"its clock is {describe_offset(off_s)} its peers'" if off_s else "its clock is right again"
        if name == THIS:
            log.warning("master.clock_off", reason=what, off_s=round(off_s, 1))
        else:
            log.warning("node.clock_off", node=name, reason=what, off_s=round(off_s, 1))
            self._publish(NodeClockOff(name, off_s))


def describe_offset(off_s: float) -> str:
    """Say an offset for people: `2 hours ahead of`."""
    amount, unit = abs(off_s), "seconds"
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if amount >= 2 * size:
            amount, unit = amount / size, name
            break
    return f"{amount:.0f} {unit} {'ahead of' if off_s > 0 else 'behind'}"
