"""Requests of a fleet with another analyzer or embedder: this node finds candidates in its own way, and the master
re-scores them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.filters import reader
from fleetfold_shared.hit_truncation import whole_that_fit
from fleetfold_shared.messages.search import ScoredDocument, SearchRequest
from fleetfold_shared.messages.search_criteria import Sort
from fleetfold_shared.query.sorting import SCORE
from fleetfold_shared.query.value_normalisation import plain
from fleetfold_shared.text.analysis import ANALYZER, query_terms
from fleetfold_shared.text.embedding import Embedder, pack
from fleetfold_shared.text.scoring import weigh
from fleetfold_shared.text.term_statistics import MergedCorpus

if TYPE_CHECKING:
    from fleetfold_child.index.collection import Collection

__all__ = ["by_terms_alone", "candidates", "interleaved", "own_ask"]

_WANTED_OF = 3  # candidates that are asked for are so many times as many as are wanted


async def own_ask(ask: SearchRequest, collections: Sequence[Collection]) -> SearchRequest:
    """Convert the request to this node's analyzer and embedder: its `query` is analysed, embedded and weighted here.

    With the same analyzer, the fleet's term weights are used. Candidates are the most relevant documents, whatever the
    sort.
    """
    text, embedder = ask.query or "", collections[0].embedder
    vector = await asyncio.to_thread(_embedded, text, embedder)
    own = replace(ask, analyzer=ANALYZER, embedder=embedder.name, vector=vector, sort=[])
    if ask.analyzer == ANALYZER:
        return own
    weights = weigh(query_terms(text), MergedCorpus([one.corpus for one in collections]))
    return replace(own, terms=weights.terms, avgdl=weights.avgdl, divisor=weights.divisor)


def by_terms_alone(own: SearchRequest) -> SearchRequest:
    """Return the request by terms alone, which finds half of the candidates: both embedders agree on these."""
    return replace(own, vector=None, alpha=1.0, same_alpha=True, explain=False)


def interleaved(first: Sequence[ScoredDocument], second: Sequence[ScoredDocument]) -> list[ScoredDocument]:
    """Interleave two lists of hits, without duplicates."""
    pairs = zip_longest(first, second)
    found = {(one.collection, one.id): one for pair in pairs for one in pair if one is not None}
    return list(found.values())


def candidates(hits: Sequence[ScoredDocument], ask: SearchRequest) -> list[ScoredDocument]:
    """Return the hits with their sort values and whole texts, which are re-scored; when they are too long, the last
    ones are left out.
    """
    return whole_that_fit([_valued(hit, ask.sort) for hit in hits], ask.k // _WANTED_OF)


def _valued(hit: ScoredDocument, sorts: Sequence[Sort]) -> ScoredDocument:
    if not sorts:
        return hit
    document = Document(hit.id, hit.title, hit.content, hit.metadata)
    return replace(hit, sort=tuple(None if one.field == SCORE else plain(reader(one.field)(document)) for one in sorts))


def _embedded(text: str, embedder: Embedder) -> bytes | None:
    vector = embedder.embed([text])[0]
    return pack(vector) if vector.any() else None
