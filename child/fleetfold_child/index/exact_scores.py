"""The exact score of chosen documents. Every index ends here, so equal documents get equal bits wherever they lie."""

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
    """The score of n documents, in float64 and in one order of addition for each of them.

    Shapes: `frequencies` (n, terms of the query), `lengths` (n,) in terms, `vectors` (n, dimensions).
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
    """Those of them that are behind `after`; all of them without it."""
    if query.after is None:
        return found
    return [one for one in found if query.after.precedes(one.score, one.document.id)]


def best(found: list[Scored], query: Query) -> list[Scored]:
    """The top k of those that match and are behind `after`: by the query's keys, then best first, ties by id."""
    kept = [one for one in behind(found, query) if matches(one, query)]
    kept.sort(key=lambda one: (-one.score, one.document.id))
    return (in_order(kept, query.sort) if query.sort else kept)[: query.k]


def matches(one: Scored, query: Query) -> bool:
    """Whether its score is positive and not below the threshold."""
    return one.score > 0 and (query.threshold is None or one.score >= query.threshold)


def _cosines(query: Query, vectors: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Not a matrix product: BLAS adds a row up in an order that depends on where the row stands."""
    if query.vector is None:
        return np.zeros(count)
    products = vectors.astype(np.float64) * query.vector.astype(np.float64)
    cosines: NDArray[np.float64] = np.maximum(products.sum(axis=1), 0.0)
    return cosines
