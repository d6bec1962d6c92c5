"""All documents in memory, each of them scored for each query."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from fleetfold_child.documents import Document
from fleetfold_child.index.facets import tallies
from fleetfold_child.index.filters import Predicate, predicate
from fleetfold_child.index.port import Entry, Query, Scored
from fleetfold_child.index.scores import best, matches, scored
from fleetfold_child.index.segment import Segment
from fleetfold_child.index.sorting import leaders
from fleetfold_shared.facets import Tally

__all__ = ["MemoryIndex"]

_INLINE_DOCUMENTS = 20_000  # about 2 ms: a thread would cost more than it saves
_FAN_IN = 4  # a segment is merged into its neighbour unless that is so many times larger
_ERROR = 1e-5  # ten times what float32 may be wrong by: who comes this close to the top k is scored exactly


class MemoryIndex:
    """An exact `Index`. Searches read a tuple of immutable segments; one writer at a time replaces it."""

    exact = True

    def __init__(self, segments: Sequence[Segment] = ()) -> None:
        self._segments = tuple(_compacted(segments))

    async def search(self, query: Query) -> list[Scored]:
        segments = self._segments
        large = query.filter is not None or bool(query.sort) or sum(map(len, segments)) > _INLINE_DOCUMENTS
        return await asyncio.to_thread(_search, segments, query) if large else _search(segments, query)

    async def facets(self, query: Query) -> list[Tally]:
        return await asyncio.to_thread(_facets, self._segments, query)

    async def apply(self, entries: Sequence[Entry], removed: Collection[str]) -> None:
        self._segments = await asyncio.to_thread(_applied, self._segments, entries, removed)

    async def hashes(self, ids: Collection[str]) -> dict[str, str]:
        return {document.id: document.hash for document in self._found(ids)}

    async def documents(self, ids: Collection[str]) -> dict[str, Document]:
        return {document.id: document for document in self._found(ids)}

    async def ids(self) -> set[str]:
        return {one for segment in self._segments for one, row in segment.row_of.items() if segment.alive[row]}

    def _found(self, ids: Collection[str]) -> list[Document]:
        return [
            document for one in ids for segment in self._segments if (document := segment.document(one)) is not None
        ]


def _applied(segments: tuple[Segment, ...], entries: Sequence[Entry], removed: Collection[str]) -> tuple[Segment, ...]:
    gone = {*removed, *(entry.document.id for entry in entries)}
    left = [segment.without(gone) for segment in segments]
    if entries:
        left.append(Segment.build(entries))
    return tuple(_compacted(left))


def _compacted(segments: Sequence[Segment]) -> list[Segment]:
    """Few segments: sizes fall by more than `_FAN_IN` from each to the next, and none is more than half gone."""
    kept = [segment for segment in segments if segment.alive.any()]
    kept = [segment if segment.alive.mean() > 0.5 else Segment.merge([segment]) for segment in kept]
    sizes = [len(segment) for segment in kept]
    start = len(kept)
    for place in reversed(range(len(kept))):
        if sizes[place] <= _FAN_IN * sum(sizes[place + 1 :]):
            start = place
    return kept if start == len(kept) else [*kept[:start], Segment.merge(kept[start:])]


def _search(segments: tuple[Segment, ...], query: Query) -> list[Scored]:
    if not segments:
        return []
    total = np.concatenate([segment.coarse(query) for segment in segments])
    if query.tally is not None:
        query.tally.scored = sum(int(segment.alive.sum()) for segment in segments)
    if query.sort:
        documents = _documents(segments)
        chosen = leaders(_matching(segments, total, query, documents), total, query, documents, _ERROR)
    elif query.filter is None:
        chosen = _top(total, query)
    else:
        chosen = _accepted(total, query, predicate(query.filter), _documents(segments))
    return best(_scored_at(segments, chosen, query), query)


def _facets(segments: tuple[Segment, ...], query: Query) -> list[Tally]:
    if not segments:
        return tallies((), query.facets)
    total = np.concatenate([segment.coarse(query) for segment in segments])
    documents = _documents(segments)
    places = _matching(segments, total, query, documents).tolist()
    return tallies([documents[place] for place in places], query.facets)


def _documents(segments: Sequence[Segment]) -> list[Document]:
    return list(chain.from_iterable(segment.documents for segment in segments))


def _scored_at(segments: Sequence[Segment], places: NDArray[np.int64], query: Query) -> list[Scored]:
    """The exact scores at these places, which ascend."""
    starts = np.cumsum([0, *map(len, segments)])
    found: list[Scored] = []
    for segment, start, end in zip(segments, starts[:-1], starts[1:], strict=True):
        rows = places[np.searchsorted(places, start) : np.searchsorted(places, end)] - start
        if len(rows):
            found += _exact(segment, rows, query)
    return found


def _matching(
    segments: Sequence[Segment], total: NDArray[np.float32], query: Query, documents: Sequence[Document]
) -> NDArray[np.int64]:
    """The places, ascending, of all that match. Where float32 cannot tell, the exact score does."""
    places = np.flatnonzero((total > 0.0) & (total >= _floor(query)))
    if query.filter is not None:
        accepts = predicate(query.filter)
        places = np.array([place for place in places.tolist() if accepts(documents[place])], dtype=np.int64)
    close = total[places] < max(0.0, query.threshold or 0.0) + _ERROR
    told = np.array([matches(one, query) for one in _scored_at(segments, places[close], query)], dtype=np.bool_)
    kept = ~close
    kept[close] = told
    return places[kept]


def _top(total: NDArray[np.float32], query: Query) -> NDArray[np.int64]:
    """The places, ascending, of all that may belong to the top k."""
    floor, ceiling = _floor(query), math.inf
    surely = total
    if query.after is not None:
        ceiling = query.after.score + _ERROR
        surely = total[total < query.after.score - _ERROR]
    if len(surely) > query.k:
        floor = max(floor, float(np.partition(surely, -query.k)[-query.k]) - _ERROR)
    return np.flatnonzero((total > 0.0) & (total >= floor) & (total <= ceiling))


def _accepted(
    total: NDArray[np.float32], query: Query, accepts: Predicate, documents: Sequence[Document]
) -> NDArray[np.int64]:
    """The same among the documents of a filter, which is tried from the best score downwards as far as needed."""
    chosen: list[int] = []
    surely = 0
    floor, after = _floor(query), query.after.score if query.after is not None else math.inf
    coarse = total.tolist()
    for place in np.argsort(-total, kind="stable").tolist():
        if coarse[place] <= 0.0 or coarse[place] < floor:
            break
        if coarse[place] <= after + _ERROR and accepts(documents[place]):
            chosen.append(place)
            surely += coarse[place] < after - _ERROR
            if surely == query.k:
                floor = max(floor, coarse[place] - _ERROR)
    return np.array(sorted(chosen), dtype=np.int64)


def _floor(query: Query) -> float:
    return query.threshold - _ERROR if query.threshold is not None else 0.0


def _exact(segment: Segment, rows: NDArray[np.int64], query: Query) -> list[Scored]:
    return scored(
        query,
        [segment.documents[row] for row in rows],
        segment.frequencies(query.terms, rows),
        segment.lengths[rows].astype(np.float64),
        segment.vectors[rows],
    )
