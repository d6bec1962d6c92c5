"""Client calls that search documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from fleetfold.caller import ANSWER_S, Caller
from fleetfold.names import Names, listed, which
from fleetfold_shared.messages import CacheUse, Dedup, Filter, Partial, Search, Searched, Sort, WhichNodes

__all__ = ["SearchCalls"]


class SearchCalls(Caller):
    """Searches."""

    async def search(
        self,
        query: str,
        *,
        limit: int = 10,
        threshold: float | None = None,
        nodes: Names | WhichNodes = "all",
        collections: Names = (),
        filter: Filter | None = None,  # noqa: A002 (the field's name everywhere else)
        timeout_s: float = 2.0,
        highlight: bool = False,
        explain: bool = False,
        cursor: str | None = None,
        dedup: Dedup = "off",
        facets: Names = (),
        sort: Sort | Sequence[Sort] = (),
        among: Names = (),
        context: Names = (),
        partial: Partial = "allow",
        max_parallel: int | None = None,
        alpha: float | None = None,
        cache: CacheUse = "use",
    ) -> Searched:
        """The best `limit` (1-100) hits of the whole fleet, or of the `nodes` and `collections` named (one or several).

        There are fewer hits, and a `cursor`, where more do not fit into one answer; of a hit that is too large alone,
        `cut` names the values that were shortened. `notes` say what is odd about a field: that no document has it, or
        values of another kind than it is compared with. `cached` says that the answer was kept, `age_s` for how long.

        `highlight` marks the matched terms and gives each hit a snippet; `explain` says what each score is made of,
        and why and how each node was asked. `dedup` shows the same thing once: `exact` by content and declared keys,
        `near` also by likeness. `facets` are up to 10 fields whose values are counted over all that match; `sort` up
        to 3 keys that order the hits before their score does. With the `cursor` of an answer to the same question, the
        hits that follow it; a search with `dedup` or `sort` has one page.

        `nodes="auto"` asks those that are likely to have what is looked for, `among` these if they are named; up to 10
        queries before this one, oldest first, are its `context`. `partial` says what to do about nodes that are slow or
        away: go without them (`allow`), wait until the deadline (`require`), or refuse an answer that lacks one
        (`fail`). `max_parallel` nodes are asked at once. `alpha` (0-1) weighs words against meaning, instead of what
        each collection declares. `cache` is `use`, `refresh` or `off`.
        """
        keys = [sort] if isinstance(sort, Sort) else list(sort)
        ask = Search(
            query=query, limit=limit, threshold=threshold, nodes=which(nodes),
            collections=listed(collections, "collections"), filter=filter,
            timeout_ms=round(timeout_s * 1000), highlight=highlight, explain=explain, cursor=cursor,
            dedup=dedup, facets=listed(facets, "facets"), sort=keys, among=listed(among, "among"),
            context=listed(context, "context"), partial=partial, max_parallel=max_parallel, alpha=alpha, cache=cache,
        )  # fmt: skip
        return await self._ask("search.query", ask, Searched, timeout_s + ANSWER_S)

    async def search_pages(
        self,
        query: str,
        *,
        limit: int = 10,
        threshold: float | None = None,
        nodes: Names | WhichNodes = "all",
        collections: Names = (),
        filter: Filter | None = None,  # noqa: A002
        timeout_s: float = 2.0,
        cursor: str | None = None,
    ) -> AsyncIterator[Searched]:
        """All hits, best first, in pages of `limit`, each asked for when it is wanted; from `cursor` on, if given.

        No hit comes twice and none is left out, unless its document changed meanwhile (`changed`) or its node was
        missing from a page (`partial`).
        """
        while True:
            page = await self.search(
                query, limit=limit, threshold=threshold, nodes=nodes, collections=collections, filter=filter,
                timeout_s=timeout_s, cursor=cursor,
            )  # fmt: skip
            yield page
            cursor = page.cursor
            if cursor is None:
                return
