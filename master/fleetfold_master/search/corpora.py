"""The master's copy of every collection's statistics, kept up with the epochs that heartbeats announce."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from fleetfold_broker.tasks import Tasks
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import NodeDescription, StatisticsAsk, StatisticsChunk
from fleetfold_shared.statistics import MergedCorpus, StatisticsTable

__all__ = ["Corpora"]

log = structlog.get_logger(__name__)

Key = tuple[str, str]
Fetch = Callable[[str, StatisticsAsk], Awaitable[StatisticsChunk]]
"""Asks a node for the next part of its statistics."""


class Corpora:
    """Statistics by node and collection. A refresh that fails leaves what is known, and the next heartbeat retries."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._tables: dict[Key, StatisticsTable] = {}
        self._wanted: dict[Key, tuple[str, int]] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._tasks = Tasks()

    def expect(self, node: str, description: NodeDescription) -> None:
        """The node will have these statistics; `ready` waits for them. It may be too early to ask for them."""
        for collection in description.collections:
            key, wanted = (node, collection.name), (description.incarnation, collection.epoch)
            if self._wanted.get(key, wanted)[0] != description.incarnation:
                self._abandon(key)
            self._wanted[key] = wanted

    def announced(self, node: str, description: NodeDescription) -> None:
        """A heartbeat said how new the node's statistics are: fetch what is newer than ours, in the background."""
        self.expect(node, description)
        for key in [(node, collection.name) for collection in description.collections]:
            if self._is_behind(key):
                self._refresh(key)

    def merged(self, keys: Iterable[Key]) -> MergedCorpus:
        """These collections as one corpus; those not known yet count as empty."""
        return MergedCorpus([self._tables[key] for key in keys if key in self._tables])

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
        """Wait until each of `keys` has been fetched once since its node started, `timeout_s` at most."""
        missing = [self._refresh(key) for key in keys if key in self._wanted and not self._is_current(key)]
        if missing:
            await asyncio.wait(missing, timeout=timeout_s)

    def forget(self, node: str) -> None:
        """Drop a node that is out."""
        for key in [key for key in self._wanted if key[0] == node]:
            self._abandon(key)
            self._wanted.pop(key)
            self._tables.pop(key, None)

    async def stop(self) -> None:
        """End what is being fetched."""
        await self._tasks.cancel()

    def _abandon(self, key: Key) -> None:
        """Break off what is being fetched: the process that was asked is gone, and need not answer any more."""
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
        except FleetfoldError as error:
            table.restart()
            log.warning("statistics.not_fetched", node=node, collection=collection, reason=error.message)
