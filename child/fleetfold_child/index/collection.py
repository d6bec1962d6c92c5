"""A collection of documents, whose changes are durable when acknowledged, and searchable at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from fleetfold_child.connectors.documents import Document
from fleetfold_child.connectors.files import Records
from fleetfold_child.connectors.ingest_report import IndexReport
from fleetfold_child.connectors.markup import READER
from fleetfold_child.connectors.reading_summary import SourceState
from fleetfold_child.index.centroids import CollectionCentroids
from fleetfold_child.index.changes import Change, Patch, Put, Remove
from fleetfold_child.index.collection_declaration import CollectionDeclaration, CollectionListeners, LoadedCollection
from fleetfold_child.index.collection_statistics import Statistics
from fleetfold_child.index.committer import Committer
from fleetfold_child.index.compaction import Compaction
from fleetfold_child.index.facets import add_up
from fleetfold_child.index.hit_fingerprints import with_fingerprints
from fleetfold_child.index.ingest import ingest
from fleetfold_child.index.interfaces import Examined, Query, Scored
from fleetfold_child.index.lance_table import Table
from fleetfold_child.index.preparation import READ_BY, load, renew
from fleetfold_child.index.shard_request import hit, read_ask
from fleetfold_child.index.write_queue import MAX_BATCH, Writer
from fleetfold_shared.clock import Clock, SystemClock
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.ids import check_slug
from fleetfold_shared.messages.explanation import CollectionExplained
from fleetfold_shared.messages.nodes import CollectionInfo
from fleetfold_shared.messages.search import FieldKind, ScoredDocument, SearchRequest
from fleetfold_shared.messages.statistics_messages import StatisticsChunk, StatisticsRequest
from fleetfold_shared.query.facets import FacetCounter
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.text.centroid_format import NO_CENTROIDS, pack_centroids
from fleetfold_shared.text.declared_keys import declared_keys
from fleetfold_shared.text.embedding import DEFAULT_EMBEDDER, Embedder, load_embedder
from fleetfold_shared.text.scoring import Corpus

__all__ = ["MEMORY_DOCUMENTS", "Collection"]

MEMORY_DOCUMENTS = 200_000
"""Most documents held in memory, where all are scored; beyond that, LanceDB selects candidates."""

UNNAMED = "the id of a record that was left out cannot be read"


class Collection:
    """A collection. Open it with `Collection.open`, in one process only, which holds the `DataLock` of `data_dir`.

    Every write returns when the change is on disk and searchable. Concurrent writes share a commit, in order of
    arrival; the write of a cancelled caller may still be done.
    """

    def __init__(
        self,
        name: str,
        loaded: LoadedCollection,
        embedder: Embedder,
        declared: CollectionDeclaration,
        listeners: CollectionListeners,
        *,
        incarnation: str | None,
        memory_documents: int,
        clock: Clock,
    ) -> None:
        self.name = name
        self.embedder = embedder
        self._declared, self._keys = declared, declared_keys(declared.keys)
        self._listeners = listeners
        self._source = SourceState()
        self._table = table = loaded.table
        self._clock = clock
        self._updated_at: float | None = None
        self._statistics = Statistics(incarnation)
        if loaded.counted.documents:
            self._statistics.apply(loaded.counted)
        self._committer = Committer(
            name, table, loaded.index, self._statistics, embedder, memory_documents, self._wrote
        )
        self._writer = Writer(self._committer.commit)
        self._compaction = Compaction(table, clock)
        self._centroids = CollectionCentroids(table)

    @classmethod
    async def open(
        cls,
        name: str,
        data_dir: str | Path,
        declared: CollectionDeclaration | None = None,
        *,
        embedder: Embedder | None = None,
        incarnation: str | None = None,
        memory_documents: int = MEMORY_DOCUMENTS,
        clock: Clock | None = None,
        listeners: CollectionListeners | None = None,
    ) -> Collection:
        """Open the collection `name` (a slug) below `data_dir`; it is created if missing.

        `incarnation` is the node's, new at each start. Documents prepared by another analyzer or embedder are prepared
        again.
        """
        check_slug(name, "collection")
        declared = declared or CollectionDeclaration()
        declared.check()
        if embedder is None:
            embedder = await asyncio.to_thread(load_embedder, DEFAULT_EMBEDDER)
        stamp = {"fleetfold.analyzer": ANALYZER, "fleetfold.embedder": embedder.name, READ_BY: READER}
        table = await Table.open(Path(data_dir), name, embedder.dimensions, stamp)
        try:
            if await table.is_stale():
                await renew(table, embedder, declared.reading)
            loaded = LoadedCollection(table, *await load(table, memory_documents))
        except BaseException:
            await table.close()
            raise
        return cls(
            name, loaded, embedder, declared, listeners or CollectionListeners(),
            incarnation=incarnation, memory_documents=memory_documents, clock=clock or SystemClock(),
        )  # fmt: skip

    @property
    def reading(self) -> Reading:
        """The declared conversion of records to documents."""
        return self._declared.reading

    @property
    def alpha(self) -> float | None:
        """The declared weight of BM25, if any."""
        return self._declared.alpha

    async def close(self) -> None:
        """Finish writes under way, then close the files."""
        await self._writer.close()
        await self._compaction.close()
        await self._centroids.close()
        await self._table.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def count(self) -> int:
        """Number of documents."""
        return self._statistics.documents

    @property
    def epoch(self) -> int:
        """Number of changes since it was opened. It increases when a change is searchable, before it is
        acknowledged.
        """
        return self._statistics.epoch

    @property
    def corpus(self) -> Corpus:
        """Its current term statistics."""
        return self._statistics

    def info(self) -> CollectionInfo:
        """Return the collection's description. `updated_at` is absent until the first change since the start."""
        counted, declared, source = self._statistics, self._declared, self._source
        return CollectionInfo(
            self.name, counted.documents, counted.epoch, self._updated_at,
            list(declared.keys), declared.alpha, declared.replica,
            source.left_out, source.repeated, source.without_text, source.note,
        )  # fmt: skip

    async def check(self, thorough: bool) -> None:
        """Raise `Unavailable` when its table cannot be read; `thorough` reads all ids."""
        await self._table.check(thorough)

    async def verify(self) -> None:
        """Read all of the table. Raises `FleetfoldError` when files are missing or documents differ from their hash."""
        async for _ in self._table.all_entries():
            pass

    async def version(self) -> int:
        """Return the number of the table's newest commit."""
        return await self._table.version()

    async def get(self, identity: str) -> Document | None:
        return (await self._committer.index.documents([identity])).get(identity)

    def set_source_state(self, state: SourceState) -> None:
        """Set the state of the source, which `info` reports from now on."""
        self._source = state
        if self._listeners.on_change is not None:
            self._listeners.on_change(self.info())

    async def existing(self, ids: Sequence[str]) -> set[str]:
        """Return the ids of documents that exist."""
        return set(await self._committer.index.hashes(ids))

    async def index(self, records: Records, *, id_field: str | None = None, leave_out: bool = False) -> IndexReport:
        """Index records: add them, or replace the documents of their ids. Unchanged records cost no write.

        Raises `InvalidInput` for a bad record, and nothing is written; with `leave_out` the others are taken, unless
        the collection's reading is strict, and the report names those left out.
        """
        counter, changed = await ingest(records, self._read_by(id_field), self._put, leave_out=leave_out)
        return counter.report(changed)

    async def sync(
        self, records: Records, *, id_field: str | None = None, leave_out: bool = False, force: bool = False
    ) -> IndexReport:
        """Make the collection equal to `records`: index all, then remove documents that are not among them.

        With `force`, unchanged documents are analysed, embedded and written again too. Documents of records that are
        left out stay as they were; when the id of such a record cannot be read, no document is removed. Documents that
        other callers index meanwhile stay.
        """
        before = await self._committer.index.ids()
        put = partial(self._put, force=force)
        counter, changed = await ingest(records, self._read_by(id_field), put, leave_out=leave_out)
        gone = before - counter.ids.keys()
        if gone and counter.unnamed:
            return counter.report(changed, notes=[f"{len(gone):,} documents that may be gone were kept: {UNNAMED}"])
        return counter.report(changed, await self.delete(gone))

    async def update(self, identity: str, fields: Mapping[str, Any]) -> bool:
        """Change some fields of one document; return whether that changed anything.

        A field set to `None` is emptied, in the metadata removed. Raises `NotFound` for an unknown id.
        """
        return bool(await self._write([Patch(identity, dict(fields), self.reading)]))

    async def delete(self, ids: Iterable[str]) -> int:
        """Remove documents; return how many existed."""
        wanted = [Remove(one) for one in dict.fromkeys(ids)]
        return sum([await self._write(wanted[i : i + MAX_BATCH]) for i in range(0, len(wanted), MAX_BATCH)])

    async def search(
        self, ask: SearchRequest, node: str = "", totals: Sequence[FacetCounter] = ()
    ) -> tuple[list[ScoredDocument], bool]:
        """Return the top k, sorted or best first, ties by id; and whether every document was scored.

        `node` is this node's name, needed for a request with `after`. The facet values of all matching documents are
        added to `totals`. Raises `InvalidInput` for an invalid request, `TimeoutError` after its time.
        """
        index = self._committer.index
        found = await index.find(self._query(ask, node))
        add_up(totals, found.facets)
        return self._hits(found.hits, ask), index.exact

    async def search_explained(
        self, ask: SearchRequest, node: str = "", totals: Sequence[FacetCounter] = ()
    ) -> tuple[list[ScoredDocument], CollectionExplained]:
        """Search, and return an explanation in place of the flag."""
        index, examined, info = self._committer.index, Examined(), self.info()
        found = await index.find(replace(self._query(ask, node), examined=examined))
        add_up(totals, found.facets)
        how = CollectionExplained(self.name, info.documents, examined.scored, index.exact, info.epoch)
        return self._hits(found.hits, ask), how

    async def kinds(self, fields: Sequence[str]) -> dict[str, set[FieldKind]]:
        """Return the kinds of value that documents have in each field."""
        return await self._committer.index.kinds(fields)

    def _read_by(self, id_field: str | None) -> Reading:
        return self.reading if id_field is None else msgspec.structs.replace(self.reading, id=id_field)

    def _query(self, ask: SearchRequest, node: str = "") -> Query:
        return read_ask(ask, self.embedder, node, self.name, self.alpha)

    def _hits(self, found: list[Scored], ask: SearchRequest) -> list[ScoredDocument]:
        return [
            with_fingerprints(hit(self.name, one), one.document, one.vector, self._keys, ask.dedup) for one in found
        ]

    def statistics(self, ask: StatisticsRequest) -> StatisticsChunk:
        """Return the next chunk of changes in the term statistics since the request's epoch."""
        return msgspec.structs.replace(self._statistics.delta(ask), analyzer=ANALYZER, embedder=self.embedder.name)

    async def summary(self, ask: StatisticsRequest) -> StatisticsChunk:
        """Do the same as `statistics`, with the vectors' centroids in the last chunk."""
        centroids = await self._centroids.current(self.count) if self.count else NO_CENTROIDS
        chunk = self.statistics(ask)
        if chunk.next_offset is not None:
            return chunk
        sizes = centroids.sizes.tolist()
        return msgspec.structs.replace(chunk, centroids=pack_centroids(centroids), sizes=sizes)

    async def _put(self, batch: Sequence[Document], *, force: bool = False) -> int:
        return await self._write([Put(document, force) for document in batch]) if batch else 0

    async def _write(self, changes: Sequence[Change]) -> int:
        """Write changes; return how many changed anything. Raises the first error."""
        try:
            results = await self._writer.submit(changes)
        except Unavailable:
            if self._listeners.on_failure is not None:
                self._listeners.on_failure()
            raise
        for result in results:
            if isinstance(result, FleetfoldError):
                raise result
        return sum(1 for result in results if result)

    def _wrote(self, rows: int) -> None:
        self._updated_at = self._clock.wall()
        self._compaction.wrote(rows)
        self._centroids.wrote(rows)
        if self._listeners.on_change is not None:
            self._listeners.on_change(self.info())
