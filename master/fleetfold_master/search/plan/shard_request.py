"""The shard request: what is sent to the nodes, so that each can score its documents as one index would."""

from __future__ import annotations

from fleetfold_master.search.plan.analyzed_query import AnalyzedQuery
from fleetfold_shared.messages import Search, SearchRequest
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.text.scoring import ALPHA, Corpus, weigh

__all__ = ["MOST_K", "deduplication_k", "shard_request"]

MOST_K = 400
"""The most hits with fingerprints that fit into one message."""


def shard_request(search: Search, query: AnalyzedQuery, corpus: Corpus, request: str, left_s: float) -> SearchRequest:
    """The request named `request`: terms with their global idf, the query vector, k and the remaining time."""
    weights = weigh(query.terms, corpus)
    return SearchRequest(
        request=request, terms=weights.terms, avgdl=weights.avgdl, divisor=weights.divisor,
        k=search.limit if search.dedup == "off" else deduplication_k(search.limit),
        deadline_ms=max(1, round(left_s * 1000)), analyzer=ANALYZER, embedder=query.embedder, vector=query.vector,
        threshold=search.threshold, filter=search.filter, collections=search.collections,
        highlight=search.highlight, explain=search.explain, dedup=search.dedup, facets=search.facets, sort=search.sort,
        alpha=ALPHA if search.alpha is None else search.alpha, same_alpha=search.alpha is not None,
    )  # fmt: skip


def deduplication_k(limit: int) -> int:
    """How many hits to request of each node at first, if duplicates are removed; docs/explanation/duplicates.md says
    how often that is enough.
    """
    return min(2 * limit, MOST_K)
