"""Exact scores of selected documents. Every index uses them, so equal documents get bit-identical scores wherever they
are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.interfaces import Query, Scored
from fleetfold_child.index.sorting import in_order
from fleetfold_shared.text.scoring import length_norm, score

__all__ = ["behind", "best", "matches", "scored"]


def scored(
    query: Query,
    documents: Sequence[Document],
    frequencies: NDArray[np.float64],
    lengths: NDArray[np.float64],
    vectors: NDArray[np.float32],
) -> list[Scored]:
    """Score n documents, in float64, with one fixed order of addition.

    Shapes: `frequencies` (n x query terms), `lengths` (n,) in terms, `vectors` (n x dimensions).
    """
    bm25 = np.zeros(len(documents))
    constant, per_term = length_norm(query.avgdl)
    norms = constant + per_term * lengths
    for column, term in enumerate(query.terms):
        tf = frequencies[:, column]
        bm25 += term.qtf * term.idf * tf / (tf + norms)
    if query.divisor > 0:
        bm25 /= query.divisor
    cosines = _cosines(query, vectors, len(documents))
    return [
        Scored(document, score(lexical, cosine, query.alpha), lexical, cosine, vector)
        for document, lexical, cosine, vector in zip(documents, bm25.tolist(), cosines.tolist(), vectors, strict=True)
    ]


def behind(found: list[Scored], query: Query) -> list[Scored]:
    """Return the documents behind `query.after`; all of them without it."""
    if query.after is None:
        return found
    return [one for one in found if query.after.precedes(one.score, one.document.id)]


def best(found: list[Scored], query: Query) -> list[Scored]:
    """Return the top k of the documents that match and are behind `after`: by the query's sort, then best first, ties
    by id.
    """
    matching = [one for one in behind(found, query) if matches(one, query)]
    matching.sort(key=lambda one: (-one.score, one.document.id))
    return (in_order(matching, query.sort) if query.sort else matching)[: query.k]


def matches(one: Scored, query: Query) -> bool:
    """Tell whether the score is positive and not below the threshold."""
    return one.score > 0 and (query.threshold is None or one.score >= query.threshold)


def _cosines(query: Query, vectors: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Return the cosines (n,), at least 0. Not by a matrix product: BLAS adds a row up in an order that depends on its
    place.
    """
    if query.vector is None:
        return np.zeros(count)
    products = vectors.astype(np.float64) * query.vector.astype(np.float64)
    cosines: NDArray[np.float64] = np.maximum(products.sum(axis=1), 0.0)
    return cosines
