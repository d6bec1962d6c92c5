"""The documents that a master holds itself: collections as a child's, in the master's process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from fleetfold.sources import Source, SourceLog, records
from fleetfold_child.index import Collection, DataLock, search_collections
from fleetfold_shared.embedding import DEFAULT_EMBEDDER, load_embedder
from fleetfold_shared.errors import InvalidInput, NotFound
from fleetfold_shared.ids import MASTER, check_slug, new_id
from fleetfold_shared.messages import CollectionInfo, SearchAnswer, SearchAsk, StatisticsAsk, StatisticsChunk

__all__ = ["OwnDocuments"]

log = structlog.get_logger(__name__)


class OwnDocuments:
    """Collections by name, each equal to its source: pass it to `Master(own=...)`, open as long as the master is.

    `data` is theirs alone. Entering reads each source that has changed, and removes documents that it has no more.
    """

    embedder = DEFAULT_EMBEDDER

    def __init__(self, data: Path, sources: Mapping[str, Source]) -> None:
        for name, source in sources.items():
            if not source:
                raise InvalidInput(
                    f"collections: {check_slug(name, 'collections')!r} needs a file", field="collections"
                )
        self._data, self._sources = data, dict(sources)
        self.incarnation = new_id()
        self._collections: dict[str, Collection] = {}
        self._open = AsyncExitStack()

    @property
    def documents(self) -> dict[str, int]:
        """How many documents each collection holds."""
        return {name: collection.count for name, collection in self._collections.items()}

    def infos(self) -> list[CollectionInfo]:
        """What there is."""
        return [collection.info() for collection in self._collections.values()]

    async def search(self, ask: SearchAsk) -> SearchAnswer:
        """The top k of those that the ask names, or of all; an error is in the answer."""
        return await search_collections(self._collections, ask, MASTER)

    def statistics(self, ask: StatisticsAsk) -> StatisticsChunk:
        """What changed in the statistics of one collection, or the next part of it."""
        if ask.collection not in self._collections:
            raise NotFound(f"collection: the master has no {ask.collection!r}", field="collection")
        return self._collections[ask.collection].statistics(ask)

    async def __aenter__(self) -> Self:
        try:
            self._open.enter_context(DataLock(self._data))
            embedder = await asyncio.to_thread(load_embedder, self.embedder)
            seen = SourceLog(self._data / "sources.json")
            for name, source in self._sources.items():
                opening = Collection.open(name, self._data, embedder=embedder, incarnation=self.incarnation)
                self._collections[name] = await self._open.enter_async_context(await opening)
                await self._fill(name, source, seen)
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def _fill(self, name: str, source: Source, seen: SourceLog) -> None:
        if not seen.is_known(name, source):
            report = await self._collections[name].sync(records(source))
            log.info("master.ingested", collection=name, taken=report.taken, changed=report.changed)
            seen.remember(name, source)
