"""Shard request: conversion of a master's request to a query, and of scored documents to the response."""

from __future__ import annotations

import time

from fleetfold_child.index.interfaces import After, Query, Scored
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.search import Parts, Place, ScoredDocument, SearchRequest
from fleetfold_shared.query.facets import check_facets
from fleetfold_shared.query.filter_validation import check_filter
from fleetfold_shared.query.sorting import check_sort
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.text.embedding import Embedder, unpack
from fleetfold_shared.text.scoring import alpha_for

__all__ = ["MAX_K", "hit", "read_ask"]

MAX_K = 1000


def read_ask(
    ask: SearchRequest, embedder: Embedder, node: str = "", collection: str = "", alpha: float | None = None
) -> Query:
    """Return the query of a request for one collection that declares this `alpha`, or none.

    Raises `InvalidInput` for a malformed request, or one this node cannot score as the others do.
    """
    if ask.analyzer != ANALYZER:
        raise InvalidInput(
            f"analyzer: the query was analysed by {ask.analyzer}, this node's documents by {ANALYZER}; "
            "run the same version on all nodes",
            field="analyzer",
        )
    if ask.embedder != embedder.name:
        raise InvalidInput(
            f"embedder: the query was embedded by {ask.embedder}, this node's documents by {embedder.name}; "
            "use the same embedder on all nodes",
            field="embedder",
        )
    if not 1 <= ask.k <= MAX_K:
        raise InvalidInput(f"k: {ask.k} is not in 1-{MAX_K}", field="k")
    if not ask.avgdl > 0:
        raise InvalidInput(f"avgdl: {ask.avgdl} is not above 0", field="avgdl")
    vector = unpack(ask.vector) if ask.vector is not None else None
    if vector is not None and len(vector) != embedder.dimensions:
        raise InvalidInput(f"vector: {len(vector)} dimensions, expected {embedder.dimensions}", field="vector")
    check_facets(ask.facets)
    check_sort(ask.sort)
    return Query(
        terms=ask.terms,
        avgdl=ask.avgdl,
        divisor=ask.divisor,
        alpha=alpha_for(ask, alpha),
        vector=vector,
        k=ask.k,
        threshold=ask.threshold,
        filter=check_filter(ask.filter) if ask.filter is not None else None,
        after=_after(ask.after, node, collection) if ask.after is not None else None,
        facets=ask.facets,
        sort=ask.sort,
        until=time.perf_counter() + ask.deadline_ms / 1000,
    )


def _after(place: Place, node: str, collection: str) -> After:
    """Return the page's end for one collection: equal scores are ordered by node and collection first."""
    here, there = (node, collection), (place.node, place.collection)
    if here == there:
        return After(place.score, place.id)
    return After(place.score, "" if here > there else None)


def hit(collection: str, scored: Scored) -> ScoredDocument:
    """Convert a scored document for the response."""
    document = scored.document
    return ScoredDocument(
        collection=collection,
        id=document.id,
        score=scored.score,
        parts=Parts(scored.bm25, scored.cosine),
        title=document.title,
        content=document.content,
        metadata=document.metadata,
        sort=scored.sort,
    )
