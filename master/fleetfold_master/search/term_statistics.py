"""Term statistics: the master's copy of every collection's statistics, refreshed when heartbeats announce new
epochs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog

from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import NodeDescription, StatisticsChunk, StatisticsRequest
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.text.term_statistics import MergedCorpus, StatisticsTable

__all__ = ["TermStatistics"]

log = structlog.get_logger(__name__)

Key = tuple[str, str]
_OURS = {"", ANALYZER}  # a node of an older version does not say of which collection its statistics are
Fetch = Callable[[str, StatisticsRequest], Awaitable[StatisticsChunk]]
"""Requests the next chunk of a node's statistics."""
Probe = Callable[[str], Awaitable[object]]
"""Asks a node whether it is there. If the broker says that it is not, its other pending requests fail at once."""

PROBE_EVERY_S = 0.25
PATIENCE_S = 0.5


async def _nobody_asks(_node: str) -> None:
    """Default of `Probe`: without one, a node that vanishes is waited for."""


class TermStatistics:
    """Statistics by node and collection. A failed refresh leaves the known ones; the next heartbeat tries again.

    Collections of another analyzer have other terms: their statistics are neither fetched nor merged.
    """

    def __init__(self, fetch: Fetch, probe: Probe = _nobody_asks) -> None:
        self._fetch, self._probe = fetch, probe
        self._tables: dict[Key, StatisticsTable] = {}
        self._wanted: dict[Key, tuple[str, int]] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._late: set[Key] = set()
        self._probed: set[str] = set()
        self._tasks = BackgroundTasks()

    def expect(self, node: str, description: NodeDescription) -> None:
        """Announce that the node will have these statistics, so that `ready` waits for them. It may be too early to
        fetch."""
        if description.analyzer not in _OURS:
            self.forget(node)
            return
        for collection in description.collections:
            key, wanted = (node, collection.name), (description.incarnation, collection.epoch)
            if self._wanted.get(key, wanted)[0] != description.incarnation:
                self._abandon(key)
            self._wanted[key] = wanted

    def announced(self, node: str, description: NodeDescription) -> None:
        """Process a heartbeat's epochs: fetch what is newer, in the background."""
        self.expect(node, description)
        for key in [(node, collection.name) for collection in description.collections]:
            if key in self._wanted and self._is_behind(key):
                self._refresh(key)

    def merged(self, keys: Iterable[Key]) -> MergedCorpus:
        """These collections merged into one corpus; those not known yet count as empty."""
        tables = (self._tables[key] for key in keys if key in self._tables)
        return MergedCorpus([table for table in tables if table.analyzer in _OURS])

    def epochs(self, keys: Iterable[Key]) -> dict[Key, int]:
        """The epochs of what `merged` uses, for those of `keys` that were fetched since their process started."""
        return {key: self._tables[key].epoch for key in keys if key in self._wanted and self._is_current(key)}

    def is_fresh(self, key: Key) -> bool:
        """Whether the known statistics are as new as the node's last heartbeat says."""
        return key in self._wanted and not self._is_behind(key)

    def versions(self, keys: Iterable[Key]) -> list[tuple[str, str, str, int]]:
        """The versions of the known statistics: node, collection, incarnation and epoch."""
        known = ((key, self._tables[key]) for key in keys if key in self._tables)
        return [(*key, table.incarnation, table.epoch) for key, table in known]

    async def ready(self, keys: Iterable[Key], timeout_s: float) -> None:
        """Wait until each of `keys` has been fetched once since its node started, for at most `timeout_s` seconds.

        A node that the broker reports as gone is not waited for. One that a search has waited for in vain does not
        delay the next ones: until it answers, its last known statistics are used.
        """
        missing = [key for key in keys if key in self._wanted and not self._is_current(key) and key not in self._late]
        await self._wait({self._refresh(key): key for key in missing}, timeout_s)

    def forget(self, node: str) -> None:
        """Drop a node that has left the fleet."""
        for key in [key for key in self._wanted if key[0] == node]:
            self._abandon(key)
            self._wanted.pop(key)
            self._tables.pop(key, None)

    async def stop(self) -> None:
        """Cancel the fetches in progress."""
        await self._tasks.cancel()

    async def _wait(self, transfers: Mapping[asyncio.Task[None], Key], timeout_s: float) -> None:
        clock = asyncio.get_running_loop().time
        until, pending = clock() + timeout_s, set(transfers)
        while pending and (left_s := until - clock()) > 0:
            for node in {transfers[one][0] for one in pending} - self._probed:
                self._tasks.spawn(self._ask_whether_there(node))
            _, pending = await asyncio.wait(pending, timeout=min(left_s, PROBE_EVERY_S))
        if timeout_s >= PATIENCE_S:
            self._late |= {transfers[one] for one in pending}

    async def _ask_whether_there(self, node: str) -> None:
        """Probe a node that may have vanished after it was asked: the broker reports that only for a new request."""
        self._probed.add(node)
        try:
            await self._probe(node)
        finally:
            self._probed.discard(node)

    def _abandon(self, key: Key) -> None:
        """Cancel a fetch whose process is gone and can no longer answer."""
        self._late.discard(key)
        if running := self._running.pop(key, None):
            running.cancel()
            self._tables[key].restart()

    def _is_current(self, key: Key) -> bool:
        """Whether the known statistics are those of the node's present process."""
        table = self._tables.get(key)
        return table is not None and table.incarnation == self._wanted[key][0]

    def _is_behind(self, key: Key) -> bool:
        return not self._is_current(key) or self._tables[key].epoch < self._wanted[key][1]

    def _refresh(self, key: Key) -> asyncio.Task[None]:
        running = self._running.get(key)
        if running is None or running.done():
            table = self._tables.setdefault(key, StatisticsTable())
            running = self._running[key] = self._tasks.spawn(self._transfer(key, table))
        return running

    async def _transfer(self, key: Key, table: StatisticsTable) -> None:
        """Fetch, and again for each newer epoch that a heartbeat announced meanwhile."""
        (node, collection), wanted = key, None
        try:
            while self._wanted[key] != wanted and self._is_behind(key):
                wanted = self._wanted[key]
                while not table.apply(await self._fetch(node, table.ask(collection))):
                    pass
                self._late.discard(key)
        except FleetfoldError as error:
            table.restart()
            log.warning("statistics.not_fetched", node=node, collection=collection, reason=error.message)
