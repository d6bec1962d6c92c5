"""Enrichment of hits within the deadline: highlights and explanations."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from fleetfold_shared.messages.search import ScoredDocument, SearchRequest
from fleetfold_shared.text.hit_enrichment import enriched

__all__ = ["enriched", "enriched_in_time"]


async def enriched_in_time(
    hits: list[ScoredDocument], ask: SearchRequest, left_s: float, alphas: Mapping[str, float] | None = None
) -> list[ScoredDocument]:
    """Enrich the hits if that takes at most half of `left_s`; otherwise return them unchanged.

    The answer matters more than its explanation, which must not exceed the deadline. `alphas` are those that
    collections declare, by name.
    """
    budget_s = left_s / 2
    try:
        async with asyncio.timeout(budget_s):
            return await asyncio.to_thread(enriched, hits, ask, time.monotonic() + budget_s, alphas)
    except TimeoutError:
        return hits
