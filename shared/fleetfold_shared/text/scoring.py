"""Scoring of documents: a function of the query, the document and global statistics, and of nothing else.

    score = alpha * BM25 / divisor + (1 - alpha) * max(cosine, 0)

    BM25    = sum over query terms of  qtf * idf * tf / (tf + k1 * (1 - b + b * dl / avgdl))
    idf     = ln(1 + (N - df + 0.5) / (df + 0.5))
    divisor = sum over query terms of  qtf * idf

BM25 is Lucene's (Robertson and Zaragoza 2009, without the constant factor k1 + 1). N, df and avgdl count every document
that is searched, on all nodes; so nodes that rank alone and are merged give the ranking of one index.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.search import SearchRequest, Term

__all__ = [
    "ALPHA", "K1", "B", "Corpus", "Weights", "alpha_for", "check_alpha", "idf", "length_norm", "score", "weigh",
]  # fmt: skip

K1 = 1.2
B = 0.75
ALPHA = 0.7


class Corpus(Protocol):
    """Statistics of all documents that are searched."""

    @property
    def documents(self) -> int:
        """Number of documents."""

    @property
    def length(self) -> int:
        """Number of terms in all documents, with repetitions."""

    def df(self, term: str) -> int:
        """Return the number of documents that contain `term`; 0 for an unknown term."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A weighted query, as in `SearchRequest`. `divisor` is 0 when the query has no terms."""

    terms: list[Term]
    avgdl: float
    divisor: float


def check_alpha(alpha: float | None, field: str = "alpha") -> None:
    """Raise `InvalidInput` for `field` when the weight is outside 0-1 or NaN."""
    if alpha is not None and not 0 <= alpha <= 1:
        raise InvalidInput(f"{field}: {alpha} is outside 0-1; 1 is words alone, 0 meaning alone", field=field)


def alpha_for(ask: SearchRequest, declared: float | None) -> float:
    """Return the alpha of a collection that declares this one, or none, for a shard request."""
    return ask.alpha if declared is None or ask.same_alpha else declared


def idf(documents: int, df: int) -> float:
    """Return the idf, above 0 and at most ln(2 * documents + 2). Stale counts may exceed the number of documents; `df`
    is capped.
    """
    df = min(df, documents)
    return math.log(1.0 + (documents - df + 0.5) / (df + 0.5))


def weigh(terms: Mapping[str, int], corpus: Corpus) -> Weights:
    """Weight each term of a query (with its frequency there) among the documents of `corpus`.

    A term that no document has still counts in the divisor: the query asked for it.
    """
    documents = corpus.documents
    weighed = [Term(term, qtf, idf(documents, corpus.df(term))) for term, qtf in terms.items()]
    avgdl = corpus.length / documents if documents else 0.0
    return Weights(weighed, avgdl or 1.0, math.fsum(term.qtf * term.idf for term in weighed))


def length_norm(avgdl: float) -> tuple[float, float]:
    """Return `(constant, per_term)`: the denominator of BM25 is `tf + constant + per_term * dl`."""
    return K1 * (1.0 - B), K1 * B / avgdl


def score(bm25: float, cosine: float, alpha: float = ALPHA) -> float:
    """Return the score from its parts: BM25 divided by the divisor (0 when that is 0), and the cosine (0 without a
    vector).
    """
    return alpha * bm25 + (1.0 - alpha) * max(cosine, 0.0)
