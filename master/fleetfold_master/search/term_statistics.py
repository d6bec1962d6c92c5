"""The master's copy of every collection's statistics, kept up with the epochs that heartbeats announce."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog

from fleetfold_broker.background_tasks import BackgroundTasks
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import NodeDescription, StatisticsAsk, StatisticsChunk
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.text.term_statistics import MergedCorpus, StatisticsTable

__all__ = ["TermStatistics"]

log = structlog.get_logger(__name__)

Key = tuple[str, str]
_OURS = {"", ANALYZER}  # an older node does not say whose its statistics are
Fetch = Callable[[str, StatisticsAsk], Awaitable[StatisticsChunk]]
"""Asks a node for the next part of its statistics."""
Probe = Callable[[str], Awaitable[object]]
"""Asks a node whether it is there. Where the broker says that it is not, what else was asked of it fails at once."""

PROBE_EVERY_S = 0.25
PATIENCE_S = 0.5


async def _nobody_asks(_node: str) -> None:
    """Without a probe, whoever vanishes is waited for."""


class TermStatistics:
    """Statistics by node and collection. A refresh that fails leaves what is known, and the next heartbeat retries.

    Those of another analyzer count other terms: they are not fetched, and never merged.
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
        """The node will have these statistics; `ready` waits for them. It may be too early to ask for them."""
        if description.analyzer not in _OURS:
            self.forget(node)
            return
        for collection in description.collections:
            key, wanted = (node, collection.name), (description.incarnation, collection.epoch)
            if self._wanted.get(key, wanted)[0] != description.incarnation:
                self._abandon(key)
            self._wanted[key] = wanted

    def announced(self, node: str, description: NodeDescription) -> None:
        """A heartbeat said how new the node's statistics are: fetch what is newer than ours, in the background."""
        self.expect(node, description)
        for key in [(node, collection.name) for collection in description.collections]:
            if key in self._wanted and self._is_behind(key):
                self._refresh(key)

    def merged(self, keys: Iterable[Key]) -> MergedCorpus:
        """These collections as one corpus; those not known yet count as empty."""
        tables = (self._tables[key] for key in keys if key in self._tables)
        return MergedCorpus([table for table in tables if table.analyzer in _OURS])

    def epochs(self, keys: Iterable[Key]) -> dict[Key, int]:
        """How new what `merged` uses is, for those of `keys` whose process has been asked since it started."""
        return {key: self._tables[key].epoch for key in keys if key in self._wanted and self._is_current(key)}

    def is_fresh(self, key: Key) -> bool:
        """Whether what is known of the collection is as new as its node's last heartbeat says."""
        return key in self._wanted and not self._is_behind(key)

    def versions(self, keys: Iterable[Key]) -> list[tuple[str, str, str, int]]:
        """How new what is known of these collections is: node, collection, incarnation and epoch."""
        known = ((key, self._tables[key]) for key in keys if key in self._tables)
        return [(*key, table.incarnation, table.epoch) for key, table in known]

    async def ready(self, keys: Iterable[Key], timeout_s: float) -> None:
        """Wait until each of `keys` has been fetched once since its node started, `timeout_s` at most.

        A node that the broker says is gone is not waited for. One that has kept a search waiting in vain does not keep
        the next ones: until it has told, what was known of it is used.
        """
        missing = [key for key in keys if key in self._wanted and not self._is_current(key) and key not in self._late]
        await self._wait({self._refresh(key): key for key in missing}, timeout_s)

    def forget(self, node: str) -> None:
        """Drop a node that is out."""
        for key in [key for key in self._wanted if key[0] == node]:
            self._abandon(key)
            self._wanted.pop(key)
            self._tables.pop(key, None)

    async def stop(self) -> None:
        """End what is being fetched."""
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
        """It was asked before it vanished, perhaps: then nobody but the broker says so, and only to who asks again."""
        self._probed.add(node)
        try:
            await self._probe(node)
        finally:
            self._probed.discard(node)

    def _abandon(self, key: Key) -> None:
        """Break off what is being fetched: the process that was asked is gone, and need not answer any more."""
        self._late.discard(key)
        if running := self._running.pop(key, None):
            running.cancel()
            self._tables[key].restart()

    def _is_current(self, key: Key) -> bool:
        """Whether what is known is of the process that is there now."""
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
        """Fetch, and once more for each heartbeat that came meanwhile and told of something newer."""
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
