"""The request to search: the options that programs pass to `search` as one value."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fleetfold.name_lists import Names, SearchedNodes, listed, which
from fleetfold.time_limit import milliseconds
from fleetfold_shared.messages import CacheUse, Dedup, Filter, Partial, Search, Sort

__all__ = ["SearchOptions", "search_request"]


class SearchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a search does beyond finding the best hits.

    `threshold` leaves out hits with a lower score. `highlight` marks the matched terms and gives each hit a snippet;
    `explain` says what each score consists of, and why and how each node was asked. `dedup` shows the same thing once:
    `exact` by content and declared keys, `near` also by similarity; such a search has one page. `facets` are up to 10
    fields whose values are counted over all matches. With the `cursor` of an answer to the same query, the hits after
    it.

    `context` are up to 10 previous queries, oldest first, that weigh in the choice of `nodes="auto"`. `partial` says
    what to do about nodes that are slow or absent: answer without them (`allow`), wait until the deadline (`require`),
    or raise an error (`fail`). At most `max_parallel` nodes are asked at once. `alpha` (0-1) weighs words against
    meaning, in place of what each collection declares. `cache` is `use`, `refresh` or `off`.
    """

    threshold: float | None = None
    highlight: bool = False
    explain: bool = False
    dedup: Dedup = "off"
    facets: Names = ()
    cursor: str | None = None
    context: Names = ()
    partial: Partial = "allow"
    max_parallel: int | None = None
    alpha: float | None = None
    cache: CacheUse = "use"


def search_request(
    query: str,
    *,
    limit: int,
    nodes: SearchedNodes,
    collections: Names,
    filter: Filter | None,
    sort: Sort | Sequence[Sort],
    timeout_s: float,
    options: SearchOptions | None,
) -> Search:
    """Build the message. Raises `InvalidInput` for names that are none."""
    chosen, among = which(nodes)
    more = options or SearchOptions()
    return Search(
        query=query, limit=limit, nodes=chosen, among=among, collections=listed(collections, "collections"),
        filter=filter, sort=[sort] if isinstance(sort, Sort) else [*sort], timeout_ms=milliseconds(timeout_s),
        threshold=more.threshold, highlight=more.highlight, explain=more.explain, dedup=more.dedup,
        facets=listed(more.facets, "facets"), cursor=more.cursor, context=listed(more.context, "context"),
        partial=more.partial, max_parallel=more.max_parallel, alpha=more.alpha, cache=more.cache,
    )  # fmt: skip
