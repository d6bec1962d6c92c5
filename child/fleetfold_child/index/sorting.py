"""Sorting of documents by a query's sort keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.filters import reader
from fleetfold_child.index.first_pass import ERROR, parts_of
from fleetfold_child.index.interfaces import Query, Scored
from fleetfold_child.index.segment import Segment
from fleetfold_shared.messages.search_criteria import Scalar, Sort
from fleetfold_shared.query.sorting import SCORE, descending, sorted_stably
from fleetfold_shared.query.value_normalisation import plain

__all__ = ["in_order", "leaders", "sorted_by"]

Values = tuple[Scalar, ...]


def in_order(ranked: Sequence[Scored], sorts: Sequence[Sort]) -> list[Scored]:
    """Sort documents stably by `sorts`, and set their sort values."""
    readers = [None if sort.field == SCORE else _plain_reader(sort.field) for sort in sorts]
    valued = [
        replace(one, sort=tuple(one.score if read is None else read(one.document) for read in readers))
        for one in ranked
    ]
    return sorted_stably(valued, sorts, lambda one: one.sort)


def sorted_by(sorts: Sequence[Sort]) -> list[str]:
    """Return the fields before the score in a sort."""
    return [sort.field for sort in takewhile(lambda sort: sort.field != SCORE, sorts)]


def leaders(
    segments: Sequence[Segment], places: NDArray[np.int64], coarse: NDArray[np.float32], query: Query
) -> NDArray[np.int64]:
    """Return those of the ascending `places` (m,) that may belong to the top k by the query's sort.

    `coarse` (total rows,) has the first-pass scores, wrong by less than `ERROR`. Fields before the score are compared
    exactly; documents equal to the k-th by these are left out only if their score is clearly worse.
    """
    leading = query.sort[: len(sorted_by(query.sort))]
    rising = len(leading) < len(query.sort) and not descending(query.sort[len(leading)])
    behind = coarse if rising else -coarse
    own = [
        (segment, start, _front(segment, rows, behind[rows + start], leading, query.k))
        for segment, start, rows in parts_of(segments, places)
    ]
    if len(own) > 1:  # each segment's values have an order of their own: now for all of them
        rows = [
            (_values(segment.documents[row], leading), score, row + start)
            for segment, start, front in own
            for row, score in zip(front.tolist(), behind[front + start].tolist(), strict=True)
        ]
        rows.sort(key=lambda row: row[1])
        return np.array(sorted(place for *_, place in _first(rows, leading, query.k)), dtype=np.int64)
    return np.sort(np.concatenate([front + start for _, start, front in own])) if own else places


def _front(
    segment: Segment, rows: NDArray[np.int64], behind: NDArray[np.float32], leading: Sequence[Sort], k: int
) -> NDArray[np.int64]:
    """Return the leaders among `rows` (m,) of a segment, with `behind` (m,): the first k by a key, and among those
    equal to the last by the next.
    """
    sure: list[NDArray[np.int64]] = []
    for sort in leading:
        if len(rows) <= k:
            break
        ranks = segment.columns[sort.field].ranks(rows, descending=descending(sort))
        last = np.partition(ranks, k - 1)[k - 1]
        ahead, equal = ranks < last, ranks == last
        sure.append(rows[ahead])
        k -= len(sure[-1])
        rows, behind = rows[equal], behind[equal]
    if len(rows) > k:
        rows = rows[behind <= np.partition(behind, k - 1)[k - 1] + ERROR]
    return np.concatenate([*sure, rows])


def _first(rows: list[tuple[Values, float, int]], leading: Sequence[Sort], k: int) -> list[tuple[Values, float, int]]:
    """Return the first k of rows (values, negated score, place), and those that cannot be told apart from the last."""
    rows = sorted_stably(rows, leading, lambda row: row[0])
    if len(rows) <= k:
        return rows
    values, score, _ = rows[k - 1]
    end = k
    while end < len(rows) and rows[end][0] == values and rows[end][1] <= score + ERROR:
        end += 1
    return rows[:end]


def _values(document: Document, sorts: Sequence[Sort]) -> Values:
    return tuple(plain(reader(sort.field)(document)) for sort in sorts)


def _plain_reader(field: str) -> Callable[[Document], Scalar]:
    read = reader(field)
    return lambda document: plain(read(document))
