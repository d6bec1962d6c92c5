"""Ranking metrics from graded judgements: nDCG and recall.

Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 20(4), 2002, with the gain 2^grade - 1
of Burges et al. 2005. A document without a judgement counts as not relevant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

__all__ = ["DEPTH", "ndcg", "recall"]

DEPTH = 10

D = TypeVar("D")


def ndcg(ranked: Sequence[D], grades: Mapping[D, int], depth: int = DEPTH) -> float:
    """Return the normalised discounted cumulative gain, 0 to 1, with the discount log2(rank + 1); 0 when nothing is
    relevant.
    """
    best = _gain(sorted(grades.values(), reverse=True)[:depth])
    return _gain([grades.get(one, 0) for one in ranked[:depth]]) / best if best else 0.0


def recall(ranked: Sequence[D], grades: Mapping[D, int], depth: int = DEPTH) -> float:
    """Return the share of the relevant documents (a grade above 0) among the first `depth`; 0 when none is relevant."""
    relevant = {one for one, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranked[:depth])) / len(relevant) if relevant else 0.0


def _gain(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / math.log2(rank + 2) for rank, grade in enumerate(grades))
