"""Highlights and explanations of hits, made by their node, or by the master for hits it has scored itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec

from fleetfold_shared.messages.explanation import Explained
from fleetfold_shared.messages.search import ScoredDocument, SearchRequest
from fleetfold_shared.text.analysis import tokens
from fleetfold_shared.text.document_text import text_of
from fleetfold_shared.text.highlighting import MOST_CHARS, highlighted
from fleetfold_shared.text.score_explanation import explained
from fleetfold_shared.text.scoring import alpha_for

__all__ = ["enriched"]

_ALL_CHARS = 500_000  # of all contents that are read for highlights: about 0.3 s
_LEAST_CHARS = 5_000


def enriched(
    hits: Sequence[ScoredDocument], ask: SearchRequest, until: float, alphas: Mapping[str, float] | None = None
) -> list[ScoredDocument]:
    """Return the hits with the requested highlights and explanations. Raises `TimeoutError` after `until` (monotonic
    seconds).

    `alphas` are those that collections declare, by name. Explained hits are analysed again, so that nothing is stored
    for it.
    """
    most_chars = min(MOST_CHARS, max(_LEAST_CHARS, _ALL_CHARS // max(1, len(hits))))
    idfs = {term.term: term.idf for term in ask.terms}
    made = []
    for hit in hits:
        if time.monotonic() > until:
            raise TimeoutError
        highlight = highlighted(hit.title, hit.content, idfs, most_chars=most_chars) if ask.highlight else None
        explain = _explained(hit, ask, alpha_for(ask, (alphas or {}).get(hit.collection))) if ask.explain else None
        made.append(msgspec.structs.replace(hit, highlight=highlight, explain=explain))
    return made


def _explained(hit: ScoredDocument, ask: SearchRequest, alpha: float) -> Explained:
    terms = tokens(text_of(hit.title, hit.content))
    return explained(ask.terms, ask.avgdl, ask.divisor, alpha, hit.parts.cosine, terms)
