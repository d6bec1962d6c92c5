"""Answering a master's ask from a node's collections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from fleetfold_child.index.ask import MAX_K
from fleetfold_child.index.collection import Collection
from fleetfold_child.index.enrichment import in_time
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError
from fleetfold_shared.facets import Tally, fitting_counts
from fleetfold_shared.fitting import fitting
from fleetfold_shared.messages.explain import CollectionExplained
from fleetfold_shared.messages.search import ScoredDocument, SearchAnswer, SearchAsk
from fleetfold_shared.sorting import arranged

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
    how: list[CollectionExplained] = []
    totals = [Tally() for _ in ask.facets]
    try:
        hits, exact = await _search(asked, ask, node, how, totals)
    except FleetfoldError as error:
        return SearchAnswer(status="error", error=error.message, ms=_ms_since(started))
    facets = fitting_counts(list(zip(ask.facets, totals, strict=True)))
    top = hits[: ask.k]
    more = len(hits) > len(top)
    if ask.highlight or ask.explain:
        top = await in_time(top, ask, ask.deadline_ms / 1000 - (time.perf_counter() - started))
    return SearchAnswer(
        hits=fitting(top), exact=exact, more=more, explain=how, facets=facets, ms=_ms_since(started)
    )  # fmt: skip


async def _search(
    asked: Sequence[Collection], ask: SearchAsk, node: str, how: list[CollectionExplained], totals: Sequence[Tally]
) -> tuple[list[ScoredDocument], bool]:
    """All hits of all collections: one more than k of each, which tells whether a page will follow. `how` is filled in
    if the ask wants to know; `totals` of the facets are added to.
    """
    if 1 <= ask.k < MAX_K:
        ask = replace(ask, k=ask.k + 1)
    try:
        async with asyncio.timeout(ask.deadline_ms / 1000):
            search = partial(_explained, how) if ask.explain else _plain
            found = [await search(one, ask, node, totals) for one in asked]
    except TimeoutError:
        raise DeadlineExceeded(f"the search took more than the {ask.deadline_ms} ms it had") from None
    hits = [one for hits, _ in found for one in hits]
    hits.sort(key=lambda one: (-one.score, one.collection, one.id))
    if ask.sort:
        hits = arranged(hits, ask.sort, lambda one: one.sort)
    return hits, all(exact for _, exact in found)


async def _plain(
    collection: Collection, ask: SearchAsk, node: str, totals: Sequence[Tally]
) -> tuple[list[ScoredDocument], bool]:
    return await collection.search(ask, node, totals)


async def _explained(
    how: list[CollectionExplained], collection: Collection, ask: SearchAsk, node: str, totals: Sequence[Tally]
) -> tuple[list[ScoredDocument], bool]:
    hits, explained = await collection.search_explained(ask, node, totals)
    how.append(explained)
    return hits, explained.exact


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
