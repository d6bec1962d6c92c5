"""In-memory index: every document is scored for each query."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.exact_scores import best, matches, scored
from fleetfold_child.index.filter_bitmaps import fields_of
from fleetfold_child.index.first_pass import ERROR, coarse_scores, floor_of, parts_of
from fleetfold_child.index.interfaces import Entry, Found, Query, Scored
from fleetfold_child.index.segment import Segment
from fleetfold_child.index.sorting import leaders, sorted_by
from fleetfold_shared.messages.search import FieldKind
from fleetfold_shared.query.facets import FacetCounter

__all__ = ["MemoryIndex"]

_INLINE_DOCUMENTS = 20_000  # about 2 ms: a thread would cost more than it saves
_FAN_IN = 4  # a segment is merged into its neighbour unless that is so many times larger


class MemoryIndex:
    """An exact `Index`. Searches read a tuple of immutable segments; one writer at a time replaces it."""

    exact = True

    def __init__(self, segments: Sequence[Segment] = ()) -> None:
        self._segments = tuple(_compacted(segments))

    async def find(self, query: Query) -> Found:
        segments = self._segments
        if sum(map(len, segments)) > _INLINE_DOCUMENTS or not _is_ready(segments, query):
            return await asyncio.to_thread(_found, segments, query)
        return _found(segments, query)

    async def kinds(self, fields: Collection[str]) -> dict[str, set[FieldKind]]:
        segments = self._segments
        if not all(segment.columns.has(field) for field in fields for segment in segments):
            return await asyncio.to_thread(_kinds, segments, fields)
        return _kinds(segments, fields)

    async def apply(self, entries: Sequence[Entry], removed: Collection[str]) -> None:
        self._segments = await asyncio.to_thread(_applied, self._segments, entries, removed)

    async def hashes(self, ids: Collection[str]) -> dict[str, str]:
        return {document.id: document.hash for document in self._here(ids)}

    async def documents(self, ids: Collection[str]) -> dict[str, Document]:
        return {document.id: document for document in self._here(ids)}

    async def ids(self) -> set[str]:
        return {one for segment in self._segments for one, row in segment.row_of.items() if segment.alive[row]}

    def _here(self, ids: Collection[str]) -> list[Document]:
        return [
            document for one in ids for segment in self._segments if (document := segment.document(one)) is not None
        ]


def _is_ready(segments: Sequence[Segment], query: Query) -> bool:
    """Tell whether all columns that the query needs are built."""
    fields = {*query.facets, *sorted_by(query.sort), *(fields_of(query.filter) if query.filter is not None else ())}
    return all(segment.columns.has(field) for field in fields for segment in segments)


def _kinds(segments: Sequence[Segment], fields: Collection[str]) -> dict[str, set[FieldKind]]:
    return {
        field: set().union(*(segment.columns[field].kinds(segment.alive) for segment in segments)) for field in fields
    }


def _applied(segments: tuple[Segment, ...], entries: Sequence[Entry], removed: Collection[str]) -> tuple[Segment, ...]:
    gone = {*removed, *(entry.document.id for entry in entries)}
    left = [segment.without(gone) for segment in segments]
    if entries:
        left.append(Segment.build(entries))
    return tuple(_compacted(left))


def _compacted(segments: Sequence[Segment]) -> list[Segment]:
    """Merge segments so that sizes decrease by more than `_FAN_IN` from each to the next, and at least half of each is
    alive.
    """
    kept = [segment for segment in segments if segment.alive.any()]
    kept = [segment if segment.alive.mean() > 0.5 else Segment.merge([segment]) for segment in kept]
    sizes = [len(segment) for segment in kept]
    start = len(kept)
    for place in reversed(range(len(kept))):
        if sizes[place] <= _FAN_IN * sum(sizes[place + 1 :]):
            start = place
    return kept if start == len(kept) else [*kept[:start], Segment.merge(kept[start:])]


def _found(segments: tuple[Segment, ...], query: Query) -> Found:
    if query.examined is not None:
        query.examined.scored = sum(int(segment.alive.sum()) for segment in segments)
    counters = [FacetCounter() for _ in query.facets]
    if not segments:
        return Found([], counters)
    total = coarse_scores(segments, query)
    matching = _matching(segments, total, query) if query.facets or query.sort else None
    if matching is not None:
        _count(segments, matching, query, counters)
    chosen = leaders(segments, matching, total, query) if matching is not None and query.sort else _top(total, query)
    return Found(best(_scored_at(segments, chosen, query), query), counters)


def _count(
    segments: Sequence[Segment], places: NDArray[np.int64], query: Query, counters: Sequence[FacetCounter]
) -> None:
    for segment, _, rows in parts_of(segments, places):
        for field, counter in zip(query.facets, counters, strict=True):
            query.check_time()
            segment.columns[field].count(rows, counter)


def _scored_at(segments: Sequence[Segment], places: NDArray[np.int64], query: Query) -> list[Scored]:
    """Return the exact scores at ascending `places` (m,)."""
    return [one for segment, _, rows in parts_of(segments, places) for one in _exact(segment, rows, query)]


def _matching(segments: Sequence[Segment], total: NDArray[np.float32], query: Query) -> NDArray[np.int64]:
    """Return the ascending places (m,) of all matching documents; the exact score decides where float32 cannot."""
    places = np.flatnonzero((total > 0.0) & (total >= floor_of(query)))
    close = total[places] < max(0.0, query.threshold or 0.0) + ERROR
    matched = np.array([matches(one, query) for one in _scored_at(segments, places[close], query)], dtype=np.bool_)
    kept = ~close
    kept[close] = matched
    return places[kept]


def _top(total: NDArray[np.float32], query: Query) -> NDArray[np.int64]:
    """Return the ascending places (m,) of all documents that may belong to the top k."""
    places = np.flatnonzero((total > 0.0) & (total >= floor_of(query)))
    scores = certain = total[places]
    ceiling = math.inf
    if query.after is not None:
        ceiling = query.after.score + ERROR
        certain = scores[scores < query.after.score - ERROR]
    floor = float(np.partition(certain, -query.k)[-query.k]) - ERROR if len(certain) > query.k else 0.0
    return places[(scores >= floor) & (scores <= ceiling)]


def _exact(segment: Segment, rows: NDArray[np.int64], query: Query) -> list[Scored]:
    return scored(
        query,
        [segment.documents[row] for row in rows.tolist()],
        segment.frequencies(query.terms, rows),
        segment.lengths[rows].astype(np.float64),
        segment.vectors[rows],
    )
