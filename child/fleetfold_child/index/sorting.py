"""Documents in the order that a query asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from fleetfold_child.documents import Document
from fleetfold_child.index.filters import reader
from fleetfold_child.index.port import Query, Scored
from fleetfold_shared.fieldvalues import plain
from fleetfold_shared.messages.criteria import Scalar, Sort
from fleetfold_shared.sorting import SCORE, arranged, descending

__all__ = ["in_order", "leaders"]

Values = tuple[Scalar, ...]


def in_order(ranked: Sequence[Scored], sorts: Sequence[Sort]) -> list[Scored]:
    """The same by `sorts`, each with its values for them; equals keep the order they come in."""
    readers = [None if sort.field == SCORE else _plain_reader(sort.field) for sort in sorts]
    valued = [
        replace(one, sort=tuple(one.score if read is None else read(one.document) for read in readers))
        for one in ranked
    ]
    return arranged(valued, sorts, lambda one: one.sort)


def leaders(
    places: NDArray[np.int64], coarse: NDArray[np.float32], query: Query, documents: Sequence[Document], error: float
) -> NDArray[np.int64]:
    """Those of the `places`, ascending, that may belong to the top k by the query's sort.

    `coarse` scores all places and is wrong by less than `error`. The fields before the score in the sort are compared
    as they are; who equals the k-th by them is left out only if its score is clearly behind.
    """
    leading = list(takewhile(lambda sort: sort.field != SCORE, query.sort))
    rising = len(leading) < len(query.sort) and not descending(query.sort[len(leading)])
    behind = coarse[places] if rising else -coarse[places]
    order = np.argsort(behind, kind="stable")
    readers = [_plain_reader(sort.field) for sort in leading]
    rows = [
        (tuple(read(documents[place]) for read in readers), score, place)
        for score, place in zip(behind[order].tolist(), places[order].tolist(), strict=True)
    ]
    return np.array(sorted(place for *_, place in _first(rows, leading, query.k, error)), dtype=np.int64)


def _first(
    rows: list[tuple[Values, float, int]], leading: Sequence[Sort], k: int, error: float
) -> list[tuple[Values, float, int]]:
    """The first k of rows (values, score behind the best, place), and who cannot be told from the last of them."""
    rows = arranged(rows, leading, lambda row: row[0])
    if len(rows) <= k:
        return rows
    values, score, _ = rows[k - 1]
    end = k
    while end < len(rows) and rows[end][0] == values and rows[end][1] <= score + error:
        end += 1
    return rows[:end]


def _plain_reader(field: str) -> Callable[[Document], Scalar]:
    read = reader(field)
    return lambda document: plain(read(document))
