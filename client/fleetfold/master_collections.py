"""Collections of the master itself, in its process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from fleetfold.collection_recovery import Opening, open_or_recover, record
from fleetfold.last_seen_collections import COLLECTIONS, CollectionLog
from fleetfold.source_filling import fill
from fleetfold.source_readings import Source, SourceLog, check_source
from fleetfold_broker.data_version import stamp_version
from fleetfold_child.connectors.documents import USUAL
from fleetfold_child.connectors.files import check_file, check_reading
from fleetfold_child.index import Collection, CollectionDeclaration, DataLock, search_collections
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput, NotFound
from fleetfold_shared.ids import MASTER, check_slug, new_id
from fleetfold_shared.messages import CollectionInfo, SearchAnswer, SearchRequest, StatisticsChunk, StatisticsRequest
from fleetfold_shared.text.embedding import DEFAULT_EMBEDDER, load_embedder

__all__ = ["MasterDocuments"]


class MasterDocuments:
    """Collections by name, each equal to its source: pass it to `Master(own=...)`, open as long as the master is.

    `data` is theirs alone. Entering reads each source that has changed, and removes documents that it has no more.
    A problem of a source is reported, and does not keep the master from starting.
    """

    embedder = DEFAULT_EMBEDDER

    def __init__(
        self, data: Path, sources: Mapping[str, Source], readings: Mapping[str, Reading] | None = None
    ) -> None:
        for name, source in sources.items():
            if not source:
                raise InvalidInput(
                    f"collections: {check_slug(name, 'collections')!r} needs a file", field="collections"
                )
            check_source(source, name)
            if isinstance(source, str | Path):
                check_file(source)
        self._data, self._sources = data, dict(sources)
        self._readings = {name: check_reading(reading, name) for name, reading in (readings or {}).items()}
        self.incarnation = new_id()
        self._collections: dict[str, Collection] = {}
        self._open = AsyncExitStack()

    @property
    def documents(self) -> dict[str, int]:
        """How many documents each collection holds."""
        return {name: collection.count for name, collection in self._collections.items()}

    def infos(self) -> list[CollectionInfo]:
        """Descriptions of the collections."""
        return [collection.info() for collection in self._collections.values()]

    async def search(self, ask: SearchRequest) -> SearchAnswer:
        """The top k of the requested collections; errors are returned in the answer."""
        return await search_collections(self._collections, ask, MASTER)

    def statistics(self, ask: StatisticsRequest) -> StatisticsChunk:
        """The changes of one collection's statistics, or their next part."""
        if ask.collection not in self._collections:
            raise NotFound(f"collection: the master has no {ask.collection!r}", field="collection")
        return self._collections[ask.collection].statistics(ask)

    async def __aenter__(self) -> Self:
        try:
            self._open.enter_context(DataLock(self._data))
            stamp_version(self._data)
            embedder = await asyncio.to_thread(load_embedder, self.embedder)
            seen, held = SourceLog(self._data / "sources.json"), CollectionLog(self._data / COLLECTIONS)
            for name, source in self._sources.items():
                begin = partial(
                    Collection.open, name, self._data,
                    CollectionDeclaration(reading=self._readings.get(name, USUAL)),
                    embedder=embedder, incarnation=self.incarnation,
                )  # fmt: skip
                found = await open_or_recover(Opening(name, self._data, begin, partial(seen.forget, name)), held)
                assert not isinstance(found, str)  # it has a source
                collection = self._collections[name] = await self._open.enter_async_context(found)
                await fill(collection, source, seen, partial(collection.sync, leave_out=True))
            self._open.push_async_callback(record, self._collections, held)
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()
