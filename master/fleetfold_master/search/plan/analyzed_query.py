"""The analyzed query: its terms and its vector, made once for the selection of nodes and for the shard request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fleetfold_master.search.plan.relevance_estimate import QueryTerms
from fleetfold_shared.messages import Search
from fleetfold_shared.text.analysis import MAX_QUERY_CHARS, query_terms
from fleetfold_shared.text.embedding import load_embedder, pack, unit_rows, unpack

__all__ = ["AnalyzedQuery", "analyze", "analyze_search"]

_FADING = 0.5
"""The weight of each query relative to the one after it: the previous one counts half, the one before a quarter."""


@dataclass(frozen=True, slots=True)
class AnalyzedQuery:
    """The first characters of a query, the frequencies of their terms, and their packed vector, if there is one.

    `context` are the queries before it, the latest first.
    """

    text: str
    embedder: str
    terms: Mapping[str, int]
    vector: bytes | None
    context: Sequence[AnalyzedQuery] = ()

    def with_context(self) -> QueryTerms:
        """The terms and vector of this query and of those before it, with decreasing weight."""
        weighed = [(query, _FADING**steps) for steps, query in enumerate((self, *self.context))]
        terms: defaultdict[str, float] = defaultdict(float)
        for query, weight in weighed:
            for term, qtf in query.terms.items():
                terms[term] += weight * qtf
        vectors = [unpack(query.vector) * weight for query, weight in weighed if query.vector is not None]
        vector = unit_rows(sum(vectors[1:], start=vectors[0])[None, :])[0] if vectors else None
        return QueryTerms(dict(terms), vector if vector is not None and vector.any() else None)


def analyze(query: str, embedder: str, context: Sequence[AnalyzedQuery] = ()) -> AnalyzedQuery:
    """Analyze the first `MAX_QUERY_CHARS` characters of a query."""
    text = query[:MAX_QUERY_CHARS]
    return AnalyzedQuery(text, embedder, query_terms(text), _packed_vector(text, embedder), context)


def analyze_search(search: Search, embedder: str) -> AnalyzedQuery:
    """Analyze the query of a search, and the queries before it."""
    context = [analyze(text, embedder) for text in reversed(search.context) if text.strip()]
    return analyze(search.query, embedder, context)


@lru_cache(maxsize=4096)
def _packed_vector(text: str, embedder: str) -> bytes | None:
    vector = load_embedder(embedder).embed([text])[0]
    return pack(vector) if vector.any() else None
