"""The estimated relevance of each node for a query, and the fewest nodes that hold most of it.

expected = softmax over the nodes of z(words) + z(meaning)

*Words* is CORI (Callan, Lu and Croft 1995; its formula as in Powell and French 2003): it treats a node as a
document in which the terms' frequencies are the df of its statistics.

    T      = df / (df + 50 + 150 cw / mean cw)             cw: sum of the term counts of a node's documents
    I      = ln((C + 0.5) / cf) / ln(C + 1)                C nodes, of which cf have the term
    belief = weighted mean over the query's terms of  0.4 + 0.6 T I

*Meaning* is the best cosine of the query's vector to one of the node's centroids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fleetfold_shared.text.term_statistics import MergedCorpus

__all__ = ["ENOUGH", "CandidateNode", "QueryTerms", "expected_relevance", "smallest_selection"]

ENOUGH = 0.9
"""The share of the expected relevance with which no further node is asked."""

_FLAT = 0.75
"""The share of nodes from which leaving out the others saves little, so that all are asked."""

_WORDS_SPREAD, _MEANING_SPREAD = 0.001, 0.1
"""Minimum standard deviations, so that nodes which differ by chance are not told apart: split at random, the beliefs
of eight nodes deviate by 0.0002 and their best cosines by 0.02 to 0.09.
"""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CandidateNode:
    """A node with the statistics of its collections that are searched.

    `comparable` if its analyzer and embedder are the fleet's; else nothing can be estimated.
    """

    name: str
    corpus: MergedCorpus
    comparable: bool = True

    @property
    def is_known(self) -> bool:
        """Whether anything is known of its content."""
        return self.comparable and bool(self.corpus.parts)


@dataclass(frozen=True, slots=True, eq=False)
class QueryTerms:
    """The query's terms with their weights, and a vector of unit length if there is one."""

    terms: Mapping[str, float] = field(default_factory=dict)
    vector: NDArray[np.float32] | None = None


def expected_relevance(members: Sequence[CandidateNode], query: QueryTerms) -> dict[str, float]:
    """Each node's share of the expected relevance; the shares add up to 1.

    A node of which nothing is known gets the mean.
    """
    if not members:
        return {}
    known = [place for place, member in enumerate(members) if member.is_known]
    total = np.zeros(len(members))
    if known:
        some = [members[place] for place in known]
        total[known] = _z(_beliefs(some, query.terms), _WORDS_SPREAD) + _z(_cosines(some, query), _MEANING_SPREAD)
    weights = np.exp(total - total.max())
    return dict(zip((member.name for member in members), (weights / weights.sum()).tolist(), strict=True))


def smallest_selection(members: Sequence[CandidateNode], expected: Mapping[str, float]) -> list[str]:
    """The fewest nodes with `ENOUGH` of the expected relevance, best first; nodes of which nothing is known come
    first.

    All nodes if the distribution is flat: if three quarters of them or more would be needed.
    """
    unknown = [member.name for member in members if not member.is_known]
    likeliest = sorted(expected, key=lambda name: (-expected[name], name))
    chosen = unknown + [name for name in likeliest if name not in set(unknown)]
    shares = np.cumsum([expected[name] for name in chosen])
    count = max(len(unknown), 1 + int(np.searchsorted(shares, ENOUGH - 1e-9)))
    return chosen if count >= _FLAT * len(chosen) else chosen[:count]


def _beliefs(members: Sequence[CandidateNode], terms: Mapping[str, float]) -> Floats:
    """CORI's belief in each node, shape (n,); equal if no term of the query tells them apart."""
    lengths = np.array([member.corpus.length for member in members], dtype=np.float64)
    mean = lengths.mean() or 1.0
    dfs = np.array([list(map(member.corpus.df, terms)) for member in members])
    if not dfs.size or not lengths.any():
        return np.zeros(len(members))
    held = np.count_nonzero(dfs, axis=0)
    rarity = np.log((len(members) + 0.5) / np.maximum(held, 0.5)) / math.log(len(members) + 1.0)
    frequency = dfs / (dfs + 50.0 + 150.0 * (lengths / mean)[:, None])
    weights = np.fromiter(terms.values(), dtype=np.float64)
    beliefs: Floats = (0.4 + 0.6 * frequency * rarity) @ (weights / weights.sum())
    return beliefs


def _cosines(members: Sequence[CandidateNode], query: QueryTerms) -> Floats:
    """The best cosine of each node, shape (n,), not below 0; nodes without centroids get the others' mean."""
    vector = query.vector
    if vector is None:
        return np.zeros(len(members))
    best = np.array([_best_cosine(member, vector) for member in members])
    known = np.isfinite(best)
    return np.where(known, np.maximum(best, 0.0), best[known].mean() if known.any() else 0.0)


def _best_cosine(member: CandidateNode, vector: NDArray[np.float32]) -> float:
    """The best cosine; NaN without centroids of the vector's dimensions."""
    centroids = [one.vectors for one in member.corpus.centroids if one.vectors.shape[1:] == vector.shape]
    return max([float((vectors @ vector).max()) for vectors in centroids], default=math.nan)


def _z(values: Floats, least: float) -> Floats:
    """Standard scores: (value - mean) / max(standard deviation, least)."""
    deviations: Floats = (values - values.mean()) / max(float(values.std()), least)
    return deviations
