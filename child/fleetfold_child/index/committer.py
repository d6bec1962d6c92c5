"""Committer: makes a batch of changes durable, searchable and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.candidate_index import CandidateIndex
from fleetfold_child.index.changes import Change, Patch, resolve
from fleetfold_child.index.collection_statistics import Difference, Statistics
from fleetfold_child.index.interfaces import Entry, Index
from fleetfold_child.index.lance_table import Table
from fleetfold_child.index.preparation import prepare
from fleetfold_child.index.write_queue import Results
from fleetfold_shared.text.analysis import tokens
from fleetfold_shared.text.embedding import Embedder

__all__ = ["Committer"]


class Committer:
    """Keeps a collection's table, index and statistics consistent. `commit` is called by the collection's writer only.

    The table is written first, because a restart reads it. `wrote` is called with the number of changed rows.
    """

    def __init__(
        self,
        name: str,
        table: Table,
        index: Index,
        statistics: Statistics,
        embedder: Embedder,
        memory_documents: int,
        wrote: Callable[[int], None],
    ) -> None:
        self.index = index
        self._name = name
        self._table = table
        self._statistics = statistics
        self._embedder = embedder
        self._memory_documents = memory_documents
        self._wrote = wrote

    async def commit(self, changes: Sequence[Change]) -> Results:
        hashes = await self.index.hashes({change.id for change in changes})
        patched = {change.id for change in changes if isinstance(change, Patch) and change.id in hashes}
        there = await self._documents(patched)
        if patched:  # their texts are read, and may be long
            resolution = await asyncio.to_thread(resolve, changes, hashes, there, self._name)
        else:
            resolution = resolve(changes, hashes, there, self._name)
        if resolution.upserts:
            await self._upsert(resolution.upserts, hashes.keys())
        if resolution.removed:
            await self._remove(resolution.removed)
        return resolution.results

    async def _upsert(self, documents: Sequence[Document], known: Iterable[str]) -> None:
        replaced = await self._documents({document.id for document in documents}.intersection(known))
        entries, difference = await asyncio.to_thread(self._prepare, documents, replaced.values())
        await self._table.write(entries)
        await self.index.apply(entries, ())
        self._counted(difference, len(entries))
        if self.index.exact and self._statistics.documents > self._memory_documents:
            self.index = await CandidateIndex.open(self._table)

    async def _remove(self, ids: Sequence[str]) -> None:
        removed = await self._documents(ids)
        _, difference = await asyncio.to_thread(self._prepare, (), removed.values())
        await self._table.remove(ids)
        await self.index.apply((), ids)
        self._counted(difference, len(ids))

    def _counted(self, difference: Difference, rows: int) -> None:
        self._statistics.apply(difference)
        self._wrote(rows)

    async def _documents(self, ids: Iterable[str]) -> dict[str, Document]:
        wanted = list(ids)
        return await self.index.documents(wanted) if wanted else {}

    def _prepare(self, documents: Sequence[Document], gone: Iterable[Document]) -> tuple[list[Entry], Difference]:
        entries = prepare(documents, self._embedder) if documents else []
        difference = Difference()
        for document in gone:
            difference.remove(tokens(document.text))
        for entry in entries:
            difference.add(entry.terms)
        return entries, difference
