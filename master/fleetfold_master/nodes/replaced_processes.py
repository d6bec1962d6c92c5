"""Messages of replaced processes: those that still speak in a node's name after another process has taken it.

A process that was suspended (SIGSTOP, a laptop's sleep) does not know on waking that a successor has joined. Every
message of a node therefore carries its incarnation, and one that is not the registered one is refused: the successor's
ledger and index are the node's now. The first refusal of each incarnation is published; see `AnswerRefused`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal

import structlog

from fleetfold_master.events import AnswerRefused, Publish, publish_to_nobody
from fleetfold_shared.clock import Clock

__all__ = ["AskAgain", "Refuses", "ReplacedProcesses", "refuse_none"]

log = structlog.get_logger(__name__)

What = Literal["heartbeat", "answer", "progress", "result"]
Refuses = Callable[[str, str, What], bool]
"""Called with a node, the incarnation in a message and the kind of message. Returns whether to refuse it."""

MOST_REPORTED = 1000
"""Incarnations of which a refusal is remembered, and commands that were sent again; beyond, all are forgotten."""
AGAIN_S = 1.0


def refuse_none(_node: str, _incarnation: str, _what: What) -> bool:
    """Default of `Refuses`: accept everything."""
    return False


class ReplacedProcesses:
    """Refuses messages of incarnations other than the registered one. `counts` are the refusals by node and kind.

    `registered` returns a node's incarnation, or None for an unknown node. A message without an incarnation, of a node
    of an older release, is accepted.
    """

    def __init__(self, registered: Callable[[str], str | None], publish: Publish = publish_to_nobody) -> None:
        self._registered, self._publish = registered, publish
        self._reported: set[tuple[str, str]] = set()
        self.counts = Counter[tuple[str, What]]()

    def includes(self, node: str, incarnation: str) -> bool:
        """Whether this incarnation of the node is not the registered one."""
        registered = self._registered(node)
        return bool(incarnation) and registered is not None and incarnation != registered

    def refuses(self, node: str, incarnation: str, what: What) -> bool:
        """Return whether to refuse a message; count it, and publish the first refusal of this incarnation."""
        if not self.includes(node, incarnation):
            return False
        self.counts[node, what] += 1
        if (node, incarnation) not in self._reported:
            if len(self._reported) >= MOST_REPORTED:
                self._reported.clear()
            self._reported.add((node, incarnation))
            registered = self._registered(node)
            log.warning("node.replaced_process", node=node, incarnation=incarnation, registered=registered, said=what)
            self._publish(AnswerRefused(node, incarnation, what))
        return True


class AskAgain:
    """Permits to send a command to the successor at once, in place of the refused result, and then once a second: the
    replaced process may take it from the queue again, until it has stopped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[str, float] = {}

    def now(self, command: str) -> bool:
        """Return whether to send the command now; otherwise its periodic re-send follows."""
        now = self._clock.monotonic()
        if now - self._asked.get(command, -AGAIN_S) < AGAIN_S:
            return False
        if len(self._asked) >= MOST_REPORTED:
            self._asked.clear()
        self._asked[command] = now
        return True
