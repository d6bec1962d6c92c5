"""Commands that nobody wants any more: taken out of the queues, and the nodes asked to stop them.

What was wanted is in the rows of whoever wants it, who says it here again after a restart. It is asked for again, ever
more rarely, until the node has said what became of the command, its result has come, or nobody waits for it any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from fleetfold_broker.background_tasks import BackgroundTasks
from fleetfold_master.jobs.dispatch import NodeHealth
from fleetfold_shared.batching import waves
from fleetfold_shared.clock import Clock
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import CancelVerdict

__all__ = ["ASKED_AT_ONCE", "AskNode", "Cancellations", "OnWithdrawn", "Queues"]

log = structlog.get_logger(__name__)

ASKED_AT_ONCE, TOLD_AT_ONCE = 1000, 256
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
PATIENCE_S = 600.0
SENT_WITHIN_S = 3.0
"""How long a command that was being sent when it was cancelled may take to its queue."""
SKEW_S = 60.0
"""How far the broker's clock may be from ours."""

AskNode = Callable[[str, list[str], str], Awaitable[dict[str, CancelVerdict]]]
"""Asks a node to stop these commands, for somebody: what it says of each; nothing when it does not answer."""
OnWithdrawn = Callable[[str, Mapping[str, str]], Awaitable[None]]
"""Told of commands that will surely never begin: their node, and by id who wanted that."""


class Queues(Protocol):
    """The nodes' queues."""

    async def withdraw(
        self, node: str, ids: Collection[str], since: float = 0.0, *, delivered_too: bool = False
    ) -> set[str]:
        """Take them out; the ids of those that never reached the node."""


@dataclass(slots=True)
class _Wish:
    """One command to be stopped. `since` is a wall time, the others are monotonic. `last`: nobody will wait for its
    node's word; `cleared`: it is in no queue.
    """

    by: str
    since: float
    made_at: float
    until: float
    dequeue: bool
    last: bool = False
    cleared: bool = False
    next_at: float = 0.0
    wait_s: float = FIRST_WAIT_S


class Cancellations:
    """All that is to be stopped. The owner calls `start` when the nodes can be asked, `sweep` now and then, `close`."""

    def __init__(self, queues: Queues, ask: AskNode, health: NodeHealth, clock: Clock) -> None:
        self._queues, self._ask, self._health, self._clock = queues, ask, health, clock
        self._open: dict[str, dict[str, _Wish]] = {}
        self._at_work: set[str] = set()
        self._tasks = BackgroundTasks()
        self._started = False
        self.on_withdrawn: OnWithdrawn = _nobody

    def start(self) -> None:
        """From now on nodes are asked."""
        self._started = True
        self.sweep()

    def cancel(
        self,
        node: str,
        ids: Iterable[str],
        by: str,
        *,
        since: float = 0.0,
        patience_s: float = PATIENCE_S,
        dequeue: bool = True,
    ) -> None:
        """Stop these commands of `node`, which were first sent after `since` (Unix seconds). Returns at once: what
        becomes of them is said by their results. Without `dequeue` only the node is asked. After `patience_s` they are
        let go.
        """  # fmt: skip
        now = self._clock.monotonic()
        wishes = self._open.setdefault(node, {})
        for key in ids:
            if key not in wishes:
                wishes[key] = _Wish(by, since - SKEW_S, now, now + patience_s, dequeue)
        self._look_after(node)

    def forget(self, node: str, key: str) -> None:
        """The command has ended."""
        if (wishes := self._open.get(node)) is not None:
            wishes.pop(key, None)
            if not wishes:
                self._open.pop(node, None)

    def let_go(self, node: str, key: str) -> bool:
        """Whether the command surely waits in no queue, so that nobody need remember that it is cancelled. If not, that
        is seen to now: also what was delivered and not acked is taken out. Then ask again.
        """
        wish = self._open.get(node, {}).get(key)
        if wish is None or wish.cleared:
            self.forget(node, key)
            return True
        wish.last, wish.next_at = True, 0.0
        self._look_after(node)
        return False

    def sweep(self) -> None:
        """Ask again where it is time."""
        now = self._clock.monotonic()
        for node in list(self._open):
            if any(self._due(node, now)):
                self._look_after(node)

    async def close(self) -> None:
        """End what is under way."""
        self._started = False
        await self._tasks.cancel()

    def _look_after(self, node: str) -> None:
        """One at a time for each node, so that its queue is read once for all that is to be found there."""
        if self._started and node not in self._at_work:
            self._at_work.add(node)
            self._tasks.spawn(self._work(node))

    def _due(self, node: str, now: float) -> Iterator[str]:
        return (key for key, wish in self._open.get(node, {}).items() if now >= min(wish.next_at, wish.until))

    async def _work(self, node: str) -> None:
        try:
            while due := self._take_due(node):
                await self._dequeue(node, due)
                await self._ask_for(node, {key: due[key] for key in due if key in self._open.get(node, {})})
        finally:
            self._at_work.discard(node)

    def _take_due(self, node: str) -> dict[str, _Wish]:
        """What is to be asked for now; its next time is set. What has no time left is let go."""
        now = self._clock.monotonic()
        due: dict[str, _Wish] = {}
        for key in list(self._due(node, now)):
            wish = self._open[node][key]
            if now >= wish.until and wish.next_at:
                self.forget(node, key)
                continue
            wish.next_at, wish.wait_s = now + wish.wait_s, min(2 * wish.wait_s, LONGEST_WAIT_S)
            due[key] = wish
        return due

    async def _dequeue(self, node: str, due: dict[str, _Wish]) -> None:
        away = not self._health.healthy(node)
        for delivered_too in (False, True):
            queued = {key: wish for key, wish in due.items() if wish.dequeue and (away or wish.last) is delivered_too}
            if queued:
                await self._look_through(node, queued, delivered_too=delivered_too)

    async def _look_through(self, node: str, queued: dict[str, _Wish], *, delivered_too: bool) -> None:
        since, began_at = min(wish.since for wish in queued.values()), self._clock.monotonic()
        try:
            never = await self._queues.withdraw(node, queued.keys(), since, delivered_too=delivered_too)
        except FleetfoldError as error:
            log.warning("withdrawal.not_dequeued", node=node, commands=len(queued), reason=error.message)
            return
        for wish in queued.values():
            wish.cleared |= delivered_too and began_at - wish.made_at >= SENT_WITHIN_S
        await self._never(node, never)

    async def _ask_for(self, node: str, wishes: dict[str, _Wish]) -> None:
        by: defaultdict[str, list[str]] = defaultdict(list)
        for key, wish in wishes.items():
            by[wish.by].append(key)
        for who, keys in by.items():
            for wave in waves(keys, ASKED_AT_ONCE):
                await self._take_verdicts(node, wave, who)

    async def _take_verdicts(self, node: str, keys: list[str], who: str) -> None:
        """What has `ended` needs no more words: its result is on its way. What is `stopping` may begin anew in a node
        that dies over it: it is asked for again until its result is here.
        """
        try:
            verdicts = await self._ask(node, keys, who)
        except FleetfoldError as error:
            log.debug("withdrawal.not_asked", node=node, reason=error.message)
            return
        for key in (key for key, verdict in verdicts.items() if verdict == "ended"):
            self.forget(node, key)
        for key in (key for key, verdict in verdicts.items() if verdict == "stopping"):
            if (wish := self._open.get(node, {}).get(key)) is not None:
                wish.next_at = self._clock.monotonic() + LONGEST_WAIT_S
        await self._never(node, [key for key, verdict in verdicts.items() if verdict == "never"])

    async def _never(self, node: str, keys: Iterable[str]) -> None:
        """Say so first: if that fails, they are asked for again."""
        for wave in waves(keys, TOLD_AT_ONCE):
            wishes = self._open.get(node, {})
            await self.on_withdrawn(node, {key: wishes[key].by for key in wave if key in wishes})
            for key in wave:
                self.forget(node, key)


async def _nobody(_node: str, _keys: Mapping[str, str]) -> None:
    """Nobody wants to know."""
