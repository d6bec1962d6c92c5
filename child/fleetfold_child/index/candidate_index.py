"""Candidate index, for more documents than fit in memory: LanceDB's indexes select candidates, which are then scored
exactly.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.exact_scores import behind, best, matches, scored
from fleetfold_child.index.facets import count_facets
from fleetfold_child.index.filters import predicate, where
from fleetfold_child.index.interfaces import Entry, Found, Query, Scored
from fleetfold_child.index.lance_table import Table
from fleetfold_child.index.lancedb_import import lancedb
from fleetfold_shared.messages.search import FieldKind

__all__ = ["CandidateIndex"]

_DEPTH = 50  # candidates of either kind; more when more hits are asked for, or a filter, a facet or a sort
_FILTERED_DEPTH = 500
_MAX_DEPTH = 8000
_VECTOR_INDEX_FROM = 20_000  # rows; below, comparing all of them is as fast


class CandidateIndex:
    """An `Index` over the table: the top N of full text and of vectors, scored with the fleet's statistics.

    The full-text index is fed terms of our own analyzer, so both agree on what a term is.
    """

    exact = False

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    async def open(cls, table: Table) -> CandidateIndex:
        """Open the index of `table`, creating LanceDB indexes that are missing."""
        kinds = lancedb().index
        with table.translated():
            there = {index.columns[0] for index in await table.handle.list_indices()}
        wanted: dict[str, Any] = {
            "id": kinds.BTree(),
            "terms": kinds.FTS(
                base_tokenizer="whitespace",
                with_position=False,
                lower_case=False,
                stem=False,
                remove_stop_words=False,
                ascii_folding=False,
                max_token_length=None,
            ),
        }
        if await table.count() >= _VECTOR_INDEX_FROM:
            wanted["vector"] = kinds.IvfFlat(distance_type="dot")
        async with table.lock:
            with table.translated():
                for column in [column for column in wanted if column not in there]:
                    await table.handle.create_index(column, config=wanted[column])
        return cls(table)

    async def find(self, query: Query) -> Found:
        """Find the top k; facets cover the candidates only."""
        plain = query.filter is None and not query.sort and not query.facets
        depth = max(_DEPTH, 2 * query.k) if plain else max(_FILTERED_DEPTH, 10 * query.k)
        while True:
            ids, exhausted = await self._candidates(query, depth)
            found = await self._scored(query, ids)
            if exhausted or depth >= _MAX_DEPTH or _suffice(found, query, depth):
                counted = [one.document for one in found if matches(one, query)] if query.facets else []
                return Found(best(found, query), count_facets(counted, query.facets))
            depth = min(4 * depth, _MAX_DEPTH)

    async def kinds(self, fields: Collection[str]) -> dict[str, set[FieldKind]]:
        """Return `unknown`: not all documents are examined."""
        return {field: {"unknown"} for field in fields}

    async def apply(self, entries: Sequence[Entry], removed: Collection[str]) -> None:
        """Do nothing: rows of the table are found, indexed or not."""

    async def hashes(self, ids: Collection[str]) -> dict[str, str]:
        return await self._table.hashes(ids)

    async def documents(self, ids: Collection[str]) -> dict[str, Document]:
        return await self._table.documents(ids)

    async def ids(self) -> set[str]:
        return await self._table.ids()

    async def _candidates(self, query: Query, depth: int) -> tuple[set[str], bool]:
        """Return the candidates' ids, and whether there are no more."""
        pushed = where(query.filter) if query.filter is not None else None
        lists = [await self._run(search, pushed, depth) for search in self._searches(query)]
        return {one for ids in lists for one in ids}, all(len(ids) < depth for ids in lists)

    def _searches(self, query: Query) -> list[Any]:
        searches: list[Any] = []
        if query.terms:
            words = " ".join(term.term for term in query.terms)
            match = lancedb().query.MatchQuery(words, "terms")
            searches.append(self._table.handle.query().nearest_to_text(match))
        if query.vector is not None:
            searches.append(self._table.handle.query().nearest_to(query.vector).distance_type("dot"))
        return searches

    async def _run(self, search: Any, pushed: str | None, depth: int) -> list[str]:
        if pushed:
            search = search.where(pushed)
        with self._table.translated():
            return [row["id"] for row in await search.select(["id"]).limit(depth).to_list()]

    async def _scored(self, query: Query, ids: set[str]) -> list[Scored]:
        entries = await self._table.entries(ids)
        if query.filter is not None:
            accepts = predicate(query.filter)
            entries = [entry for entry in entries if accepts(entry.document)]
        if query.examined is not None:
            query.examined.scored = len(entries)
        return await asyncio.to_thread(_score, query, entries) if entries else []


def _suffice(found: list[Scored], query: Query, depth: int) -> bool:
    """Tell whether enough candidates were scored; for a later page, as many as for all pages up to it."""
    if query.after is None:
        return query.filter is None or len(found) >= query.k
    page = behind(found, query)
    return len(page) >= query.k and depth >= 2 * (len(found) - len(page) + query.k)


def _score(query: Query, entries: list[Entry]) -> list[Scored]:
    counts = [Counter(entry.terms) for entry in entries]
    return scored(
        query,
        [entry.document for entry in entries],
        np.array([[count[term.term] for term in query.terms] for count in counts], dtype=np.float64),
        np.array([len(entry.terms) for entry in entries], dtype=np.float64),
        np.stack([entry.vector for entry in entries]),
    )
