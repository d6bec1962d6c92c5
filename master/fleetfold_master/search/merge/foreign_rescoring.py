"""Rescoring of hits from nodes of another analyzer or embedder: the master scores their candidates as its own nodes
would.

The master has each candidate's whole text, so its score is what one index would give it. A relevant document may be
missing if the node did not return it; so more candidates are requested than hits are wanted.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from fleetfold_master.search.paging import is_behind
from fleetfold_master.search.shard_response import ShardResponse, ShardResponses
from fleetfold_shared.messages import NodeReport, Parts, ScoredDocument, SearchAnswer, SearchRequest, Sort
from fleetfold_shared.messages.search_criteria import Scalar
from fleetfold_shared.query.sorting import SCORE, sorted_stably
from fleetfold_shared.text.analysis import tokens
from fleetfold_shared.text.document_text import text_of
from fleetfold_shared.text.embedding import Embedder, load_embedder, unit_rows, unpack
from fleetfold_shared.text.hit_enrichment import enriched
from fleetfold_shared.text.scoring import alpha_for, length_norm, score

__all__ = ["THEIR_SHARE", "candidates_ask", "rescore"]

THEIR_SHARE = 0.7
"""The share of the time limit that such nodes get; the rest is for scoring."""

_PER_HIT = 3
_LEAST = 50
_DEEP = 500  # behind a cursor, or when the best by a field are wanted
_MOST = 999  # the limit of what a node returns
_BATCH = 32  # about 10 ms: how often the clock is checked

Alphas = Mapping[str, float]
"""The weights that a node's collections declare, by name."""


def candidates_ask(ask: SearchRequest, query: str, timeout_s: float) -> SearchRequest:
    """The request to such nodes in place of `ask`: the `query` itself, and more hits.

    They do not cut by a score or a cursor, which refer to the fleet's scores; and with a threshold they cannot
    count facets.
    """
    deep = ask.after is not None or bool(ask.sort)
    return replace(
        ask, query=query, k=min(max(_PER_HIT * ask.k, _DEEP if deep else _LEAST), _MOST), threshold=None, after=None,
        deadline_ms=max(1, round(timeout_s * 1000)), highlight=False,
        facets=ask.facets if ask.threshold is None else [],
    )  # fmt: skip


async def rescore(
    responses: ShardResponses, ask: SearchRequest, alphas: Mapping[str, Alphas], left_s: float
) -> ShardResponses:
    """Turn responses to `candidates_ask` into responses to `ask`. What is not scored within `left_s` is left out and
    reported.

    `alphas` are the declared weights by node. Called in a thread: it takes 0.2 ms for a text of 100 words.
    """
    return await asyncio.to_thread(_all_rescored, responses, ask, alphas, time.monotonic() + left_s)


def _all_rescored(
    responses: ShardResponses, ask: SearchRequest, alphas: Mapping[str, Alphas], until: float
) -> ShardResponses:
    return {
        node: one
        if one.answer is None or one.answer.status not in {"ok", "partial"}
        else _rescored(one.report, one.answer, ask, alphas.get(node, {}), until)
        for node, one in responses.items()
    }


def _rescored(
    report: NodeReport, answer: SearchAnswer, ask: SearchRequest, alphas: Alphas, until: float
) -> ShardResponse:
    wanted = answer.hits[:_MOST]
    found, scored = _scored(wanted, ask, alphas, until)
    passing = [one for one in found if _passes(one, ask, report.node)]
    passing.sort(key=lambda one: (-one.score, one.collection, one.id))
    if ask.sort:
        passing = sorted_stably(passing, ask.sort, lambda one: one.sort)
    more = len(passing) > ask.k or (answer.more and ask.after is None)
    top = _enriched(passing[: ask.k], ask, alphas, until)
    report = replace(report, count=len(top), exact=False, rescored=True)
    if scored < len(wanted):
        why = f"{scored} of its {len(wanted)} candidates were scored before the deadline"
        report = replace(report, status="partial", error=why)
    how = [replace(one, exact=False) for one in answer.explain]
    return ShardResponse(report, replace(answer, hits=top, more=more, exact=False, explain=how))


def _scored(
    hits: Sequence[ScoredDocument], ask: SearchRequest, alphas: Alphas, until: float
) -> tuple[list[ScoredDocument], int]:
    """The hits with comparable scores, and how many of them were scored in time."""
    embedder, found = load_embedder(ask.embedder), list[ScoredDocument]()
    query = None if ask.vector is None else unpack(ask.vector).astype(np.float64)
    for start in range(0, len(hits), _BATCH):
        if time.monotonic() > until:
            break
        found += _batch_scored(hits[start : start + _BATCH], ask, alphas, embedder, query)
    return found, len(found)


def _batch_scored(
    hits: Sequence[ScoredDocument], ask: SearchRequest, alphas: Alphas, embedder: Embedder,
    query: NDArray[np.float64] | None,
) -> list[ScoredDocument]:  # fmt: skip
    texts = [text_of(one.title, one.content) for one in hits]
    vectors = unit_rows(embedder.embed(texts))
    cosines = [0.0] * len(hits)
    if query is not None:  # in the same way as a node, to the last bit
        cosines = np.maximum((vectors.astype(np.float64) * query).sum(axis=1), 0.0).tolist()
    scored: list[ScoredDocument] = []
    for hit, text, vector, cosine in zip(hits, texts, vectors, cosines, strict=True):
        parts = Parts(_bm25(ask, tokens(text)), cosine)
        total = score(parts.bm25, parts.cosine, alpha_for(ask, alphas.get(hit.collection)))
        scored.append(replace(_marked(hit, vector), score=total, parts=parts, sort=_values(hit, ask.sort, total)))
    return scored


def _bm25(ask: SearchRequest, terms: Sequence[str]) -> float:
    """BM25 over its divisor; summed in the same order as a node does."""
    counts = Counter(terms)
    constant, per_term = length_norm(ask.avgdl)
    norm, total = constant + per_term * len(terms), 0.0
    for term in ask.terms:
        tf = float(counts[term.term])
        total += term.qtf * term.idf * tf / (tf + norm)
    return total / ask.divisor if ask.divisor > 0 else total


def _values(hit: ScoredDocument, sorts: Sequence[Sort], total: float) -> tuple[Scalar, ...]:
    given = hit.sort if len(hit.sort) == len(sorts) else (None,) * len(sorts)
    return tuple(total if key.field == SCORE else value for key, value in zip(sorts, given, strict=True))


def _marked(hit: ScoredDocument, vector: NDArray[np.float32]) -> ScoredDocument:
    """Replace the vector of the fingerprints, because the node's own one is of another space."""
    if hit.marks is None or hit.marks.vector is None:
        return hit
    return replace(hit, marks=replace(hit.marks, vector=np.asarray(vector, dtype="<f2").tobytes()))


def _passes(hit: ScoredDocument, ask: SearchRequest, node: str) -> bool:
    wanted = hit.score > 0 and (ask.threshold is None or hit.score >= ask.threshold)
    return wanted and (ask.after is None or is_behind(ask.after, node, hit))


def _enriched(hits: list[ScoredDocument], ask: SearchRequest, alphas: Alphas, until: float) -> list[ScoredDocument]:
    """Add highlights and explanations, if requested and time is left."""
    if not (ask.highlight or ask.explain):
        return hits
    try:
        return enriched(hits, ask, until, alphas)
    except TimeoutError:
        return hits
