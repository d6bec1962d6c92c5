"""All documents in one index, scored by the formula as it is written down.

It shares the analyzer and the embedder with the fleet, and nothing of its scoring, its statistics or its merging.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain

import numpy as np

from fleetfold_shared.text.analysis import query_terms, tokens
from fleetfold_shared.text.embedding import load_embedder

__all__ = ["Key", "OneIndex", "Ranked"]

Key = tuple[str, str]
"""Collection and id."""
Ranked = list[tuple[Key, float]]
"""Documents with their scores, best first."""


class OneIndex:
    """Documents by collection and id, and the text of each."""

    def __init__(self, texts: Mapping[Key, str]) -> None:
        self._keys = list(texts)
        self._vectors = load_embedder().embed(list(texts.values())).astype(np.float64)
        self._postings: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lengths: list[int] = []
        for row, text in enumerate(texts.values()):
            counted = Counter(tokens(text))
            self._lengths.append(counted.total())
            for term, tf in counted.items():
                self._postings[term].append((row, tf))

    @classmethod
    def union(cls, collections: Iterable[Mapping[Key, str]]) -> OneIndex:
        """One index over several collections."""
        return cls(dict(chain.from_iterable(texts.items() for texts in collections)))

    def search(self, text: str, k: int) -> Ranked:
        """The top `k`: 0.7 BM25 / sum(qtf idf) + 0.3 cosine, with k1 = 1.2 and b = 0.75; ties by collection and id."""
        scores = 0.3 * np.maximum(self._vectors @ load_embedder().embed([text])[0].astype(np.float64), 0.0)
        for row, bm25 in self._bm25(text).items():
            scores[row] += 0.7 * bm25
        least = np.partition(scores, -k)[-k] if len(scores) > k else 0.0
        near = np.flatnonzero((scores >= least) & (scores > 0))
        ranked = sorted(((self._keys[row], float(scores[row])) for row in near), key=lambda hit: (-hit[1], hit[0]))
        return ranked[:k]

    def _bm25(self, text: str) -> dict[int, float]:
        documents, mean = len(self._keys), sum(self._lengths) / len(self._keys)
        found: defaultdict[int, float] = defaultdict(float)
        divisor = 0.0
        for term, qtf in query_terms(text).items():
            postings = self._postings.get(term, [])
            idf = math.log(1 + (documents - len(postings) + 0.5) / (len(postings) + 0.5))
            divisor += qtf * idf
            for row, tf in postings:
                found[row] += qtf * idf * tf / (tf + 1.2 * (1 - 0.75 + 0.75 * self._lengths[row] / mean))
        return {row: value / divisor for row, value in found.items()}
