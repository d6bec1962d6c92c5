"""Shard search: answers a master's request from a node's collections."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from fleetfold_child.index.analyzer_mismatch import by_terms_alone, candidates, interleaved, own_ask
from fleetfold_child.index.collection import Collection
from fleetfold_child.index.hit_enrichment import enriched_in_time
from fleetfold_child.index.shard_request import MAX_K
from fleetfold_shared.concurrency import gather_until
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Unavailable
from fleetfold_shared.hit_truncation import MAX_HIT_BYTES, cut_to_fit, first_that_fit
from fleetfold_shared.messages.explanation import CollectionExplained
from fleetfold_shared.messages.search import FieldKind, ScoredDocument, SearchAnswer, SearchRequest
from fleetfold_shared.query.facets import FacetCounter, fitting_counts
from fleetfold_shared.query.field_notes import fields_asked
from fleetfold_shared.query.sorting import sorted_stably

__all__ = ["search_collections", "search_s"]

NONE_FAILING: Mapping[str, str] = {}
REASON_CHARS = 1000
REPLY_SHARE, REPLY_MOST_S = 0.1, 0.05
"""Part of the time left, and most seconds of it, that are reserved for the reply."""


async def search_collections(
    collections: Mapping[str, Collection], ask: SearchRequest, node: str = "", failing: Mapping[str, str] = NONE_FAILING
) -> SearchAnswer:
    """Search the named collections, or all if none is named, and return the top k.

    `node` is this node's name, needed for a request with `after`. A request with its `query` gets candidates found in
    this node's own way, for the master to re-score. An invalid request or a passed deadline is reported in the
    response, not raised. So are collections that are `failing`, with the reason: the others are searched.
    """
    started = time.perf_counter()
    names = list(dict.fromkeys(ask.collections or [*collections, *failing]))
    asked = [collections[name] for name in names if name in collections and name not in failing]
    broken = {name: failing[name] for name in names if name in failing}
    if not asked:
        return _none_asked(broken)
    how: list[CollectionExplained] = []
    totals = [FacetCounter() for _ in ask.facets]
    try:
        own = ask if ask.query is None else await own_ask(ask, asked)
        hits, exact, left_out = await _search(asked, own, node, how, totals)
        done = [one for one in asked if one.name not in left_out]
        if ask.query is not None:
            hits = interleaved((await _search(done, by_terms_alone(own), node, [], ()))[0], hits)
    except FleetfoldError as error:
        return SearchAnswer(status="error", error=error.message, ms=_ms_since(started), code=error.code)
    missing = [f"not searched in time: {', '.join(left_out)}"] if left_out else []
    facets = fitting_counts(list(zip(ask.facets, totals, strict=True)))
    top = hits[: ask.k]
    more = len(hits) > len(top)
    if ask.query is not None:
        top, exact = candidates(top, ask), False
        more = len(hits) > len(top)
    elif ask.highlight or ask.explain:
        alphas = {one.name: one.alpha for one in asked if one.alpha is not None}
        top = await enriched_in_time(top, ask, ask.deadline_ms / 1000 - (time.perf_counter() - started), alphas)
    has_pages = not ask.sort and ask.dedup == "off"
    fitted = first_that_fit(top, MAX_HIT_BYTES) if has_pages else cut_to_fit(top)
    return SearchAnswer(
        status="partial" if left_out or broken else "ok", hits=fitted, exact=exact, more=more or len(fitted) < len(top),
        explain=how, facets=facets, kinds=await _kinds(done, ask), ms=_ms_since(started),
        error="; ".join([*missing, *broken.values()])[:REASON_CHARS] or None, left_out=[*left_out, *broken],
    )  # fmt: skip


def _none_asked(broken: Mapping[str, str]) -> SearchAnswer:
    """Return the answer of a node that has none of the collections, or none that works."""
    if not broken:
        return SearchAnswer(status="no_collection")
    return SearchAnswer(status="error", error="; ".join(broken.values())[:REASON_CHARS], code=Unavailable.code)


async def _search(
    asked: Sequence[Collection],
    ask: SearchRequest,
    node: str,
    how: list[CollectionExplained],
    totals: Sequence[FacetCounter],
) -> tuple[list[ScoredDocument], bool, list[str]]:
    """Return all hits of all collections (k + 1 of each, which shows whether there is a further page), whether every
    document was scored, and the collections not searched in time.

    Appends explanations to `how` on request, and adds facets to `totals`.
    """
    if 1 <= ask.k < MAX_K:
        ask = replace(ask, k=ask.k + 1)
    search = partial(_explained, how) if ask.explain else _plain
    searches = {one.name: search(one, ask, node, totals) for one in asked}
    found = await gather_until(searches, search_s(ask.deadline_ms / 1000))
    if not found:
        raise DeadlineExceeded(f"the search took more than the {ask.deadline_ms} ms it had")
    hits = [one for hits, _ in found.values() for one in hits]
    hits.sort(key=lambda one: (-one.score, one.collection, one.id))
    if ask.sort:
        hits = sorted_stably(hits, ask.sort, lambda one: one.sort)
    left_out = [one.name for one in asked if one.name not in found]
    how.sort(key=lambda one: [*searches].index(one.collection))
    return hits, all(exact for _, exact in found.values()), left_out


async def _kinds(searched: Sequence[Collection], ask: SearchRequest) -> dict[str, list[FieldKind]]:
    """Return the kinds of value in these collections for each field in the request."""
    if not (fields := fields_asked(ask.filter, ask.sort, ask.facets)):
        return {}
    found: dict[str, set[FieldKind]] = {field: set() for field in fields}
    for collection in searched:
        for field, kinds in (await collection.kinds(fields)).items():
            found[field] |= kinds
    return {field: sorted(kinds) for field, kinds in found.items()}


async def _plain(
    collection: Collection, ask: SearchRequest, node: str, totals: Sequence[FacetCounter]
) -> tuple[list[ScoredDocument], bool]:
    return await collection.search(ask, node, totals)


async def _explained(
    how: list[CollectionExplained],
    collection: Collection,
    ask: SearchRequest,
    node: str,
    totals: Sequence[FacetCounter],
) -> tuple[list[ScoredDocument], bool]:
    hits, explained = await collection.search_explained(ask, node, totals)
    how.append(explained)
    return hits, explained.exact


def search_s(left_s: float) -> float:
    """Return the seconds of `left_s` that a search may take: a tenth, at most 50 ms, is reserved for the reply."""
    return left_s - min(REPLY_SHARE * left_s, REPLY_MOST_S)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
