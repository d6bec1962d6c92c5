"""What a search may be asked to say beyond its hits: where they match, and what their scores are made of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from fleetfold_shared.messages.search import ScoredDocument, SearchAsk
from fleetfold_shared.text.hit_enrichment import enriched

__all__ = ["enriched", "in_time"]


async def in_time(
    hits: list[ScoredDocument], ask: SearchAsk, left_s: float, alphas: Mapping[str, float] | None = None
) -> list[ScoredDocument]:
    """The hits, enriched, if that takes no more than half of the time that is left; else as they are.

    An explanation is worth less than the answer: it must not cost the deadline. `alphas` are those that collections
    declare, by their names.
    """
    budget_s = left_s / 2
    try:
        async with asyncio.timeout(budget_s):
            return await asyncio.to_thread(enriched, hits, ask, time.monotonic() + budget_s, alphas)
    except TimeoutError:
        return hits
