"""Answering a master's ask from a node's collections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from fleetfold_child.index.ask import MAX_K
from fleetfold_child.index.collection import Collection
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError
from fleetfold_shared.fitting import fitting
from fleetfold_shared.messages.search import ScoredDocument, SearchAnswer, SearchAsk

__all__ = ["search_collections"]


async def search_collections(collections: Mapping[str, Collection], ask: SearchAsk, node: str = "") -> SearchAnswer:
    """The top k of those of a node's collections that the ask names, or of all of them if it names none.

    `node` is the node's name, and matters to an ask for what is behind a place. It never raises for a bad ask or a
    deadline that passes: the answer says so.
    """
    started = time.perf_counter()
    asked = [collections[name] for name in dict.fromkeys(ask.collections or collections) if name in collections]
    if not asked:
        return SearchAnswer(status="no_collection")
    try:
        hits, exact = await _search(asked, ask, node)
    except FleetfoldError as error:
        return SearchAnswer(status="error", error=error.message, ms=_ms_since(started))
    top = hits[: ask.k]
    return SearchAnswer(hits=fitting(top), exact=exact, more=len(hits) > len(top), ms=_ms_since(started))


async def _search(asked: Sequence[Collection], ask: SearchAsk, node: str) -> tuple[list[ScoredDocument], bool]:
    """All hits of all collections: one more than k of each, which tells whether a page will follow."""
    if 1 <= ask.k < MAX_K:
        ask = replace(ask, k=ask.k + 1)
    try:
        async with asyncio.timeout(ask.deadline_ms / 1000):
            found = [await collection.search(ask, node) for collection in asked]
    except TimeoutError:
        raise DeadlineExceeded(f"the search took more than the {ask.deadline_ms} ms it had") from None
    hits = [one for hits, _ in found for one in hits]
    hits.sort(key=lambda one: (-one.score, one.collection, one.id))
    return hits, all(exact for _, exact in found)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
