"""Cancellation of commands: removes them from the nodes' queues, and asks the nodes to stop those that have begun.

The rows of the jobs and transactions hold what is cancelled; after a restart their engines call `cancel` again.
Each cancellation is repeated at growing intervals until the node has reported the command's fate, its result has
arrived, or nobody waits for it any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from fleetfold_master.jobs.command_dispatch import NodeHealth
from fleetfold_shared.backoff import Backoff
from fleetfold_shared.clock import Clock
from fleetfold_shared.concurrency import BackgroundTasks, batches
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import CancelVerdict

__all__ = ["ASKED_AT_ONCE", "AskNode", "Cancellations", "NodeQueues", "OnWithdrawn"]

log = structlog.get_logger(__name__)

ASKED_AT_ONCE, TOLD_AT_ONCE = 1000, 256
BACKOFF = Backoff(1.0, 30.0)
"""Pauses between two requests to stop a command."""
GIVE_UP_AFTER_S = 600.0
SENT_WITHIN_S = 3.0
"""How long, in seconds, a command that was being sent when it was cancelled may take to reach its queue."""
SKEW_S = 60.0
"""Assumed limit of the difference between the broker's clock and this one, in seconds."""

AskNode = Callable[[str, list[str], str], Awaitable[dict[str, CancelVerdict]]]
"""Asks a node to stop these commands on behalf of somebody. Returns its verdict for each; empty without an answer."""
OnWithdrawn = Callable[[str, Mapping[str, str]], Awaitable[None]]
"""Called with commands that will certainly never begin: their node, and by id on whose behalf they were cancelled."""


class NodeQueues(Protocol):
    """The nodes' queues in JetStream."""

    async def withdraw(
        self, node: str, ids: Collection[str], since: float = 0.0, *, delivered_too: bool = False
    ) -> set[str]:
        """Remove commands from the node's queue. Returns the ids of those that were never delivered."""


@dataclass(slots=True)
class _Cancellation:
    """One command to be stopped. `since` is Unix time, all other times are monotonic. `last`: the node's verdict is
    not waited for; `cleared`: the command is in no queue."""

    by: str
    since: float
    made_at: float
    until: float
    dequeue: bool
    last: bool = False
    cleared: bool = False
    next_at: float = 0.0
    asked: int = 0


class Cancellations:
    """All pending cancellations. The owner calls `start` when nodes can be asked, `sweep` periodically, and `close`."""

    def __init__(self, queues: NodeQueues, ask: AskNode, health: NodeHealth, clock: Clock) -> None:
        self._queues, self._ask, self._health, self._clock = queues, ask, health, clock
        self._open: dict[str, dict[str, _Cancellation]] = {}
        self._at_work: set[str] = set()
        self._tasks = BackgroundTasks()
        self._on_withdrawn: OnWithdrawn | None = None

    def start(self, on_withdrawn: OnWithdrawn) -> None:
        """Start asking nodes. `on_withdrawn` is awaited before a cancellation is dropped: what it commits must not be
        lost."""
        self._on_withdrawn = on_withdrawn
        self.sweep()

    def cancel(
        self,
        node: str,
        ids: Iterable[str],
        by: str,
        *,
        since: float = 0.0,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        dequeue: bool = True,
    ) -> None:
        """Stop these commands of `node`, which were first sent after `since` (Unix seconds). Returns at once; the
        outcome comes with the commands' results. Without `dequeue` the queue is left alone and only the node is
        asked. After `give_up_after_s` seconds the cancellation is dropped."""  # fmt: skip
        now = self._clock.monotonic()
        entries = self._open.setdefault(node, {})
        for key in ids:
            if key not in entries:
                entries[key] = _Cancellation(by, since - SKEW_S, now, now + give_up_after_s, dequeue)
        self._process(node)

    def forget(self, node: str, key: str) -> None:
        """Drop the cancellation: the command has ended."""
        if (entries := self._open.get(node)) is not None:
            entries.pop(key, None)
            if not entries:
                self._open.pop(node, None)

    def try_forget(self, node: str, key: str) -> bool:
        """Whether the command is certainly in no queue, so that its cancellation may be forgotten. If not, start
        removing it, including copies that were delivered but not acknowledged; then call again."""
        entry = self._open.get(node, {}).get(key)
        if entry is None or entry.cleared:
            self.forget(node, key)
            return True
        entry.last, entry.next_at = True, 0.0
        self._process(node)
        return False

    def sweep(self) -> None:
        """Repeat the cancellations that are due."""
        now = self._clock.monotonic()
        for node in list(self._open):
            if any(self._due(node, now)):
                self._process(node)

    async def close(self) -> None:
        """Wait for the requests in progress."""
        self._on_withdrawn = None
        await self._tasks.cancel()

    def _process(self, node: str) -> None:
        """Process one node's cancellations, one round at a time, so that its queue is read once for all of them."""
        if self._on_withdrawn is not None and node not in self._at_work:
            self._at_work.add(node)
            self._tasks.spawn(self._process_due(node, self._on_withdrawn))

    def _due(self, node: str, now: float) -> Iterator[str]:
        return (key for key, entry in self._open.get(node, {}).items() if now >= min(entry.next_at, entry.until))

    async def _process_due(self, node: str, on_withdrawn: OnWithdrawn) -> None:
        try:
            while due := self._take_due(node):
                await self._dequeue(node, due, on_withdrawn)
                left = {key: due[key] for key in due if key in self._open.get(node, {})}
                await self._ask_for(node, left, on_withdrawn)
        finally:
            self._at_work.discard(node)

    def _take_due(self, node: str) -> dict[str, _Cancellation]:
        """The cancellations that are due; their next time is set. Those out of time are dropped."""
        now = self._clock.monotonic()
        due: dict[str, _Cancellation] = {}
        for key in list(self._due(node, now)):
            entry = self._open[node][key]
            if now >= entry.until and entry.next_at:
                self.forget(node, key)
                continue
            entry.asked += 1
            entry.next_at = now + BACKOFF.planned_s(entry.asked)
            due[key] = entry
        return due

    async def _dequeue(self, node: str, due: dict[str, _Cancellation], on_withdrawn: OnWithdrawn) -> None:
        away = not self._health.healthy(node)
        for delivered_too in (False, True):
            queued = {
                key: entry for key, entry in due.items() if entry.dequeue and (away or entry.last) is delivered_too
            }
            if queued:
                never = await self._remove_from_queue(node, queued, delivered_too=delivered_too)
                await self._report_withdrawn(node, never, on_withdrawn)

    async def _remove_from_queue(
        self, node: str, queued: dict[str, _Cancellation], *, delivered_too: bool
    ) -> Collection[str]:
        """Remove commands from the node's queue. Returns those that will never begin."""
        since, began_at = min(entry.since for entry in queued.values()), self._clock.monotonic()
        try:
            never = await self._queues.withdraw(node, queued.keys(), since, delivered_too=delivered_too)
        except FleetfoldError as error:
            log.warning("cancellation.not_dequeued", node=node, commands=len(queued), reason=error.message)
            return ()
        for entry in queued.values():
            entry.cleared |= delivered_too and began_at - entry.made_at >= SENT_WITHIN_S
        return never

    async def _ask_for(self, node: str, entries: dict[str, _Cancellation], on_withdrawn: OnWithdrawn) -> None:
        by: defaultdict[str, list[str]] = defaultdict(list)
        for key, entry in entries.items():
            by[entry.by].append(key)
        for who, keys in by.items():
            for batch in batches(keys, ASKED_AT_ONCE):
                await self._report_withdrawn(node, await self._take_verdicts(node, batch, who), on_withdrawn)

    async def _take_verdicts(self, node: str, keys: list[str], who: str) -> Collection[str]:
        """Apply the node's verdicts. `ended` needs no further request: the result is on its way. `stopping` is
        repeated until the result arrives, because the command would be redelivered if the node died meanwhile.
        Returns the commands that will never begin."""
        try:
            verdicts = await self._ask(node, keys, who)
        except FleetfoldError as error:
            log.debug("cancellation.not_requested", node=node, reason=error.message)
            return ()
        for key in (key for key, verdict in verdicts.items() if verdict == "ended"):
            self.forget(node, key)
        for key in (key for key, verdict in verdicts.items() if verdict == "stopping"):
            if (entry := self._open.get(node, {}).get(key)) is not None:
                entry.next_at = self._clock.monotonic() + BACKOFF.max_s
        return [key for key, verdict in verdicts.items() if verdict == "never"]

    async def _report_withdrawn(self, node: str, keys: Iterable[str], on_withdrawn: OnWithdrawn) -> None:
        """Report commands that will never begin. This comes first: if it fails, they stay pending."""
        for batch in batches(keys, TOLD_AT_ONCE):
            entries = self._open.get(node, {})
            await on_withdrawn(node, {key: entries[key].by for key in batch if key in entries})
            for key in batch:
                self.forget(node, key)
