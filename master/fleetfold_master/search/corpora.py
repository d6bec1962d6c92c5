"""The master's copy of every collection's statistics, kept up with the epochs that heartbeats announce."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

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

    def announced(self, node: str, description: NodeDescription) -> None:
        """A heartbeat said how new the node's statistics are: fetch what is newer than ours, in the background."""
        for collection in description.collections:
            key = (node, collection.name)
            self._wanted[key] = (description.incarnation, collection.epoch)
            if self._stale(key):
                self._refresh(key)

    def merged(self, keys: Iterable[Key]) -> MergedCorpus:
        """These collections as one corpus; those not known yet count as empty."""
        return MergedCorpus([self._tables[key] for key in keys if key in self._tables])

    async def ready(self, keys: Iterable[Key], timeout_s: float) -> None:
        """Wait until each of `keys` has been fetched once, `timeout_s` at most: after a master's start."""
        missing = [self._refresh(key) for key in keys if key in self._wanted and not self._known(key)]
        if missing:
            await asyncio.wait(missing, timeout=timeout_s)

    def forget(self, node: str) -> None:
        """Drop a node that is out."""
        for key in [key for key in self._wanted if key[0] == node]:
            self._wanted.pop(key)
            self._tables.pop(key, None)

    async def stop(self) -> None:
        """End what is being fetched."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _known(self, key: Key) -> bool:
        return key in self._tables and bool(self._tables[key].incarnation)

    def _stale(self, key: Key) -> bool:
        table = self._tables.get(key)
        return table is None or (table.incarnation, table.epoch) != self._wanted[key]

    def _refresh(self, key: Key) -> asyncio.Task[None]:
        running = self._running.get(key)
        if running is None or running.done():
            running = self._running[key] = asyncio.create_task(self._transfer(key))
        return running

    async def _transfer(self, key: Key) -> None:
        node, collection = key
        table = self._tables.setdefault(key, StatisticsTable())
        try:
            while not table.apply(await self._fetch(node, table.ask(collection))):
                pass
        except FleetfoldError as error:
            table.restart()
            log.warning("statistics.not_fetched", node=node, collection=collection, reason=error.message)
