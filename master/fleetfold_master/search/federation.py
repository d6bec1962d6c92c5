"""Federated search: one round trip to the nodes, an exact merge, and a report of the nodes that are missing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from fleetfold_master.nodes import Breakers, Presence, Registry, RoundTripEstimator
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.cache import Cache, CacheRequest
from fleetfold_master.search.cache_key import answer_key
from fleetfold_master.search.collection_versions import CollectionVersions
from fleetfold_master.search.coverage import documents_of
from fleetfold_master.search.deduplicated_page import Again, Answers, DeduplicatedPage
from fleetfold_master.search.dispatcher import Dispatcher
from fleetfold_master.search.failover import FailoverRound
from fleetfold_master.search.late_answers import LateAnswers
from fleetfold_master.search.merge import fold_page, merge_sorted
from fleetfold_master.search.near_duplicates import likeness
from fleetfold_master.search.own_collections import Own
from fleetfold_master.search.paging import Pages
from fleetfold_master.search.query_plan import QueryPlan, candidates, check_search, plan, weighted_ask
from fleetfold_master.search.replica_selection import ReplicaSelector
from fleetfold_master.search.response import told
from fleetfold_master.search.scatter import Rounds, Scatter
from fleetfold_master.search.search_context import SearchContext
from fleetfold_master.search.shard_selection import choose
from fleetfold_master.search.term_statistics import TermStatistics
from fleetfold_shared.ids import MASTER, new_id
from fleetfold_shared.messages import Hit, Search, SearchAsk, Searched
from fleetfold_shared.text.embedding import DEFAULT_EMBEDDER

__all__ = ["Federation"]

LEAST_MARGIN_S, FIRST_MARGIN_S, EACH_S, MOST_MARGIN = 0.002, 0.03, 0.002, 0.25
"""The time reserved for merging: at least so much in seconds, initially, per concurrent search, and at most so much of
the time limit.

Searches that wait for the same node end together, and are merged one after another: hence the part per search.
"""


class Federation:
    """Searches the fleet's nodes and the master's `own` collections."""

    def __init__(
        self, registry: Registry, presence: Presence, corpora: TermStatistics, rounds: Rounds,
        embedder: str = DEFAULT_EMBEDDER, *, max_parallel: int | None = None, cache: Cache | None = None,
        told: CollectionVersions | None = None, own: Own | None = None, breakers: Breakers | None = None,
    ) -> None:  # fmt: skip
        self._registry, self._corpora, self._embedder = registry, corpora, embedder
        self._cache, self._epochs, self._own = cache, told or CollectionVersions(), own
        self._latecomers = LateAnswers(cache)
        self.scatter = Scatter(
            rounds, presence, registry.collections, breakers=breakers, max_parallel=max_parallel,
            on_late=self._latecomers.came,
        )  # fmt: skip
        self._asker = Dispatcher(self.scatter, own)
        self._holders = ReplicaSelector(registry, corpora, presence, self.scatter)
        self._folding: dict[str, RoundTripEstimator] = defaultdict(RoundTripEstimator)
        self._under_way = 0

    def nodes(self) -> list[StoredNode]:
        """All that can be searched: the fleet's nodes, and the master's own collections as one of them."""
        return self._candidates(Search(query=""))

    async def search(self, search: Search, asked: Search | None = None) -> Searched:
        """Search, and return the merged ranking with a report for every node. Raises `InvalidInput`, `NotFound`, and
        `Unavailable` if a node is missing with `partial="fail"`.

        `asked` is the caller's query if its scope reduced it to `search`: a cursor belongs to the former.
        """
        started = time.perf_counter()
        check_search(search)
        pages = Pages(asked or search, self._embedder)
        self._under_way += 1
        try:
            context = await self._context(search, pages, started, asked or search)
            if self._cache is None:
                return await self._search(context)
            wanted = CacheRequest(search, context.key, started)
            return await self._cache.answer(wanted, lambda: self._keepable(context, asked or search))
        finally:
            self._under_way -= 1

    async def _keepable(self, context: SearchContext, asked: Search) -> tuple[str | None, Searched]:
        """The answer, and the key to cache it under: None if what it depends on has changed meanwhile."""
        if context.key is not None:
            nodes = self._candidates(context.search)
            if self._key(context.search, asked, context.plan, nodes, self._up(nodes)) != context.key:
                context.key = None
        return context.key, await self._search(context)

    def _key(
        self, search: Search, asked: Search, chosen: QueryPlan, nodes: list[StoredNode], up: set[str]
    ) -> str | None:
        if self._cache is None or not self._cache.enabled or search.cache == "off" or search.explain:
            return None
        versions = self._corpora.versions(chosen.keys)
        healthy = {node.name for node in nodes if node.name in up and node.state == "active"}
        return answer_key(search, asked, nodes, healthy, self._epochs, versions, self._embedder)

    def _candidates(self, search: Search) -> list[StoredNode]:
        own = None if self._own is None else self._own.node()
        if own is not None:
            self._epochs.described(MASTER, own.description)
        return candidates(search, self._registry, own)

    def _up(self, nodes: list[StoredNode]) -> set[str]:
        return {node.name for node in nodes if node.name == MASTER or self._registry.is_up(node.name)}

    async def _context(self, search: Search, pages: Pages, started: float, asked: Search) -> SearchContext:
        nodes = self._candidates(search)
        up = self._up(nodes)
        chosen = plan(search, nodes, up, self._embedder)
        key = self._key(search, asked, chosen, nodes, up)
        holding = self._holders.holding(chosen, nodes, search.query, pages.pins)
        await self._corpora.ready(self._awaited(chosen, holding.keys), search.timeout_ms / 2000)
        counted = self._holders.counted(holding)
        choice = choose(
            search, replace(chosen, keys=holding.standing()), nodes, self._corpora, self._embedder, pages.nodes
        )
        return SearchContext(
            search, pages, choice.narrowed(chosen), holding.without(choice.left_out()), choice, started,
            self._corpora.merged(counted), self._corpora.versions(counted) + chosen.uncounted,
            self._corpora.epochs(chosen.keys) if search.explain else {}, documents_of(search, nodes), key,
            self._margin_s(search),
        )  # fmt: skip

    def _awaited(self, chosen: QueryPlan, keys: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """The collections whose statistics the search waits for."""
        return [key for key in keys if key[0] in chosen.asked and not self.scatter.breakers.is_open(key[0])]

    def _margin_s(self, search: Search) -> float:
        """Seconds reserved for merging: twice the usual, because the answer must be encoded as well."""
        pace = self._folding[search.dedup]
        usual_s = 2 * pace.usual if pace.known else FIRST_MARGIN_S
        return min(max(LEAST_MARGIN_S, usual_s) + EACH_S * self._under_way, MOST_MARGIN * search.timeout_ms / 1000)

    async def _search(self, context: SearchContext) -> Searched:
        began = time.perf_counter()
        ask = weighted_ask(context.search, context.corpus, new_id(), self._embedder, context.left_s())
        ask = context.pages.continued(ask)
        round_ = FailoverRound(
            context.holding, partial(self._asker.ask, context), self._holders.patience_s, context.pages.pins
        )
        answers = await round_.ask(ask, context.left_s())
        context.holding = round_.holding
        hits, answers = await self._hits(context, ask, answers, round_.again)
        searched = told(context, ask, hits, answers)
        self._folding[context.search.dedup].took(time.perf_counter() - began - context.waited_s)
        self._latecomers.expect(context, ask, answers)
        return searched

    async def _hits(
        self, context: SearchContext, ask: SearchAsk, answers: Answers, again: Again
    ) -> tuple[list[Hit], Answers]:
        """The page and the responses it is made of; a deduplicated page may have to ask nodes again."""
        search = context.search
        if search.dedup != "off":
            alike = likeness(context.corpus) if search.dedup == "near" else None
            return await DeduplicatedPage(search.limit, again, alike).fill(ask, answers, context.left_s())
        if search.sort:
            found = {node: answer.hits for node, (_, answer) in answers.items() if answer}
            return merge_sorted(found, search.limit, search.sort), answers
        return fold_page(answers, search.limit, ask.k), answers
