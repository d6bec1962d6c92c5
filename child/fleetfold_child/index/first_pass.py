"""First pass of a search: scores of all documents in float32, which select those worth an exact score.

A cosine costs a hundred times what a term does. Terms alone often show that a document cannot be in the top k, since a
cosine adds at most (1 - alpha) times the query vector's length. Such documents are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fleetfold_child.index.filter_bitmaps import bitmap
from fleetfold_child.index.interfaces import Query
from fleetfold_child.index.segment import Segment

__all__ = ["ERROR", "coarse_scores", "floor_of", "parts_of"]

ERROR = 1e-5
"""Ten times the largest error of float32: documents this close to a limit are scored exactly."""

_SAMPLE = 100  # documents, the best by their terms, that tell how high the top k is at least
_SAMPLE_FOR_EACH = 4  # of the top k
_GATHER = 8  # one row taken from among others costs as much as so many in their order
_LENGTH_ERROR = 1e-4  # of unit vectors

Places = NDArray[np.int64]
Scores = NDArray[np.float32]


def coarse_scores(segments: Sequence[Segment], query: Query) -> Scores:
    """Return the score of each place (total rows,), segment after segment; 0 for removed documents and those that fail
    the filter.

    Wrong by less than `ERROR`, or 0 for documents below the threshold or, in a plain top-k search, certainly outside of
    the top k. Raises `TimeoutError` after the query's time.
    """
    passing = np.concatenate([_passing(segment, query) for segment in segments])
    total = np.concatenate([_lexical(segment, query) for segment in segments])
    total *= passing
    if query.vector is None:
        return total
    places = _candidates(segments, total, passing, query)
    if len(places) * _GATHER <= len(total):
        near = np.zeros_like(total)
        near[places] = total[places] + _dense_at(segments, places, query)
        return near
    for segment, start in zip(segments, _starts(segments), strict=False):
        query.check_time()
        total[start : start + len(segment)] += segment.dense(query)
    total *= passing
    return total


def floor_of(query: Query) -> float:
    """Return the first-pass score below which no document reaches the threshold."""
    return query.threshold - ERROR if query.threshold is not None else 0.0


def parts_of(segments: Sequence[Segment], places: Places) -> Iterator[tuple[Segment, int, Places]]:
    """Yield for each segment with some of the ascending `places` (m,): the segment, its first place, and its rows."""
    starts = _starts(segments)
    bounds = np.searchsorted(places, starts).tolist()
    for segment, start, first, end in zip(segments, starts.tolist(), bounds, bounds[1:], strict=False):
        if first < end:
            yield segment, start, places[first:end] - start


def _starts(segments: Sequence[Segment]) -> Places:
    """Return the first place of each segment, and the end of the last."""
    return np.cumsum([0, *map(len, segments)])


def _passing(segment: Segment, query: Query) -> NDArray[np.bool_]:
    query.check_time()
    return segment.alive if query.filter is None else segment.alive & bitmap(segment.columns, query.filter)


def _lexical(segment: Segment, query: Query) -> Scores:
    query.check_time()
    return segment.lexical(query)


def _dense_at(segments: Sequence[Segment], places: Places, query: Query) -> Scores:
    parts = [segment.dense(query, rows) for segment, _, rows in parts_of(segments, places)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _candidates(segments: Sequence[Segment], lexical: Scores, passing: NDArray[np.bool_], query: Query) -> Places:
    """Return the places whose cosine can matter."""
    if query.vector is None or not 0.0 <= query.alpha <= 1.0:
        return np.flatnonzero(passing)
    floor = max(floor_of(query), _kth_at_least(segments, lexical, query))
    most = (1.0 - query.alpha) * float(np.linalg.norm(query.vector)) * (1.0 + _LENGTH_ERROR)
    return np.flatnonzero(passing & (lexical >= floor - most - 2 * ERROR))


def _kth_at_least(segments: Sequence[Segment], lexical: Scores, query: Query) -> float:
    """Return a lower bound of the k-th best score, or -inf where more than the top k is needed."""
    sample = max(_SAMPLE, _SAMPLE_FOR_EACH * query.k)
    if query.facets or query.sort or query.after is not None or sample * _GATHER > len(lexical):
        return -math.inf
    places = np.flatnonzero(lexical > 0.0)  # selecting among thousands of zeros takes NumPy 2 ms
    if len(places) > sample:
        places = np.sort(places[np.argpartition(lexical[places], -sample)[-sample:]])
    if len(places) < query.k:
        return -math.inf
    scores = lexical[places] + _dense_at(segments, places, query)
    return float(np.partition(scores, -query.k)[-query.k])
