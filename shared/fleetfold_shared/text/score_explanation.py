"""Explanation of a score: computed by the same formula, in the same order, with each term's share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from fleetfold_shared.messages.explanation import Explained, TermShare
from fleetfold_shared.messages.search import Term
from fleetfold_shared.text.scoring import length_norm

__all__ = ["MOST_TERMS", "explained"]

MOST_TERMS = 16
"""Most terms listed; a query may have hundreds."""


def explained(
    query: Sequence[Term], avgdl: float, divisor: float, alpha: float, cosine: float, document: Sequence[str]
) -> Explained:
    """Return the composition of the score of a `document` with these terms, for a query weighted as in
    `SearchRequest`."""
    counts = Counter(document)
    constant, per_term = length_norm(avgdl)
    norm = constant + per_term * len(document)
    shares = [_share(term, counts[term.term], norm, divisor) for term in query]
    shares.sort(key=lambda share: (-share.bm25, -share.idf, share.term))
    listed, others = shares[:MOST_TERMS], shares[MOST_TERMS:]
    return Explained(
        alpha=alpha, bm25=math.fsum(share.bm25 for share in shares), divisor=divisor, cosine=cosine,
        length=len(document), avgdl=avgdl, terms=listed,
        others=len(others), others_bm25=math.fsum(share.bm25 for share in others),
    )  # fmt: skip


def _share(term: Term, tf: int, norm: float, divisor: float) -> TermShare:
    bm25 = term.qtf * term.idf * tf / (tf + norm)
    return TermShare(term.term, term.qtf, tf, term.idf, bm25, bm25 / divisor if divisor > 0 else bm25)
