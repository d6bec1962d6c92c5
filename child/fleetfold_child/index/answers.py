"""Answering a master's ask from a node's collections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from fleetfold_child.index.collection import Collection
from fleetfold_child.index.facets import count_facets
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError
from fleetfold_shared.fitting import fitting
from fleetfold_shared.messages.search import ScoredDocument, SearchAnswer, SearchAsk
from fleetfold_shared.sorting import arranged

__all__ = ["search_collections"]


async def search_collections(collections: Mapping[str, Collection], ask: SearchAsk) -> SearchAnswer:
    """The top k of those of a node's collections that the ask names, or of all of them if it names none.

    It never raises for a bad ask or a deadline that passes: the answer says so.
    """
    started = time.perf_counter()
    asked = [collections[name] for name in dict.fromkeys(ask.collections or collections) if name in collections]
    if not asked:
        return SearchAnswer(status="no_collection")
    try:
        hits, exact = await _search(asked, ask)
        facets = await count_facets(asked, ask, started) if ask.facets else []
    except FleetfoldError as error:
        return SearchAnswer(status="error", error=error.message, ms=_ms_since(started))
    return SearchAnswer(hits=fitting(hits), exact=exact, facets=facets, ms=_ms_since(started))


async def _search(asked: Sequence[Collection], ask: SearchAsk) -> tuple[list[ScoredDocument], bool]:
    try:
        async with asyncio.timeout(ask.deadline_ms / 1000):
            found = [await collection.search(ask) for collection in asked]
    except TimeoutError:
        raise DeadlineExceeded(f"the search took more than the {ask.deadline_ms} ms it had") from None
    hits = [one for hits, _ in found for one in hits]
    hits.sort(key=lambda one: (-one.score, one.collection, one.id))
    if ask.sort:
        hits = arranged(hits, ask.sort, lambda one: one.sort)
    return hits[: ask.k], all(exact for _, exact in found)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
