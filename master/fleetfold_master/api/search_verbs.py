"""Handlers of searches, and of questions that are answered from them."""

from __future__ import annotations

from typing import Any

from fleetfold_broker.rpc.streamed_reply import Say
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.access.scoping import asked_nodes, narrow_search, no_node, node_in_scope
from fleetfold_master.answering import Answering
from fleetfold_master.api.audit_target import touches_answer, touches_search
from fleetfold_master.api.binding import Binding
from fleetfold_master.evaluation import SearchStatistics
from fleetfold_master.nodes import Registry
from fleetfold_master.search import Federation
from fleetfold_master.search.cache.popular_queries import PopularQueries
from fleetfold_master.search.merge.facet_merge import merged_facets
from fleetfold_shared import verbs
from fleetfold_shared.messages import Answered, AnswerQuestion, Search, Searched

__all__ = ["SearchVerbs"]


class SearchVerbs:
    """The handlers. Each search is counted among the popular queries, and in the statistics of searches."""

    def __init__(
        self, registry: Registry, federation: Federation, answering: Answering, popular: PopularQueries,
        statistics: SearchStatistics,
    ) -> None:  # fmt: skip
        self._registry, self._federation, self._answering = registry, federation, answering
        self._popular, self._statistics = popular, statistics

    def bindings(self) -> tuple[Binding[Any, Any], ...]:
        """The verbs of these areas, with their handlers."""
        return (
            Binding(verbs.search.QUERY, self._search, touches_search),
            Binding(verbs.ask.QUESTION, touches=touches_answer, stream=self._ask),
        )

    async def _search(self, ask: Search, who: Principal) -> Searched:
        for field, names in (("nodes", asked_nodes(ask)), ("among", ask.among)):
            for name in names:
                self._searchable(name, who, field)
        narrowed = narrow_search(ask, who, self._federation.nodes())
        if narrowed is None:
            facets = merged_facets(ask.facets, ())
            return Searched(query=ask.query, hits=[], nodes=[], total=0, took_ms=0.0, partial=False, facets=facets)
        found = await self._federation.search(narrowed, ask)
        self._popular.count(narrowed, ask)
        self._statistics.searched(narrowed, found, self._registry.collections)
        return found

    async def _ask(self, ask: AnswerQuestion, who: Principal, say: Say) -> Answered:
        if ask.by is not None:
            node_in_scope(self._registry, ask.by, who, "by")

        async def find(search: Search) -> Searched:
            return await self._search(search, who)

        return await self._answering.answer(ask, find, say)

    def _searchable(self, name: str, who: Principal, field: str) -> None:
        """Raise `Forbidden` or `NotFound`, unless it is a node or one of the master's own collections, in scope."""
        who.need_node(name, field)
        known = [node.name for node in self._federation.nodes()]
        if name not in known:
            raise no_node(name, who.narrow(known))
