"""An ask from a fleet of another analyzer or embedder: what this node finds in its own way, for the master to score."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.filters import reader
from fleetfold_shared.messages.criteria import Sort
from fleetfold_shared.messages.search import ScoredDocument, SearchAsk
from fleetfold_shared.query.field_values import plain
from fleetfold_shared.query.sorting import SCORE
from fleetfold_shared.text.analysis import ANALYZER, query_terms
from fleetfold_shared.text.embedding import Embedder, pack
from fleetfold_shared.text.scoring import weigh
from fleetfold_shared.text.term_statistics import MergedCorpus
from fleetfold_shared.truncation import fitting_whole

if TYPE_CHECKING:
    from fleetfold_child.index.collection import Collection

__all__ = ["candidates", "interleaved", "of_words", "own_ask"]

_WANTED_OF = 3  # candidates that are asked for are so many times as many as are wanted


async def own_ask(ask: SearchAsk, collections: Sequence[Collection]) -> SearchAsk:
    """The ask as this node can answer it: its `query` analysed, embedded and weighed by the node's own means.

    Where the analyzer is the same, the fleet's weights of the terms are better than ours. Candidates are the most
    relevant, whatever the sort.
    """
    text, embedder = ask.query or "", collections[0].embedder
    vector = await asyncio.to_thread(_embedded, text, embedder)
    own = replace(ask, analyzer=ANALYZER, embedder=embedder.name, vector=vector, sort=[])
    if ask.analyzer == ANALYZER:
        return own
    weights = weigh(query_terms(text), MergedCorpus([one.corpus for one in collections]))
    return replace(own, terms=weights.terms, avgdl=weights.avgdl, divisor=weights.divisor)


def of_words(own: SearchAsk) -> SearchAsk:
    """The same by words alone: what both embedders agree on. Half of the candidates are found so."""
    return replace(own, vector=None, alpha=1.0, same_alpha=True, explain=False)


def interleaved(first: Sequence[ScoredDocument], second: Sequence[ScoredDocument]) -> list[ScoredDocument]:
    """The best of both in turn, each once."""
    pairs = zip_longest(first, second)
    found = {(one.collection, one.id): one for pair in pairs for one in pair if one is not None}
    return list(found.values())


def candidates(hits: Sequence[ScoredDocument], ask: SearchAsk) -> list[ScoredDocument]:
    """The hits with their values for the sort of the master's ask, and with whole texts: those count, so the last of
    too long ones are left out.
    """
    return fitting_whole([_valued(hit, ask.sort) for hit in hits], ask.k // _WANTED_OF)


def _valued(hit: ScoredDocument, sorts: Sequence[Sort]) -> ScoredDocument:
    if not sorts:
        return hit
    document = Document(hit.id, hit.title, hit.content, hit.metadata)
    return replace(hit, sort=tuple(None if one.field == SCORE else plain(reader(one.field)(document)) for one in sorts))


def _embedded(text: str, embedder: Embedder) -> bytes | None:
    vector = embedder.embed([text])[0]
    return pack(vector) if vector.any() else None
