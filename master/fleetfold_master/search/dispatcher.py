"""The dispatcher of a search request: to nodes on the bus, to the master's own collections, and to foreign nodes."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any

from fleetfold_master.search.deduplicated_page import Answers
from fleetfold_master.search.own_collections import Own
from fleetfold_master.search.query_plan import MOST_QUERY_CHARS
from fleetfold_master.search.rescoring import THEIR_SHARE, candidates_ask, scored_anew
from fleetfold_master.search.scatter import Manner, Scatter
from fleetfold_master.search.search_context import SearchContext
from fleetfold_master.search.shard_response import read
from fleetfold_shared.concurrency import gather_all
from fleetfold_shared.ids import MASTER
from fleetfold_shared.messages import SearchAsk, encode

__all__ = ["Dispatcher"]


class Dispatcher:
    """Chooses the way to ask each kind of node."""

    def __init__(self, scatter: Scatter, own: Own | None) -> None:
        self._scatter, self._own = scatter, own

    async def ask(self, context: SearchContext, nodes: list[str], ask: SearchAsk, timeout_s: float) -> Answers:
        """Each node's report and response, after `timeout_s` seconds at most."""
        began = time.perf_counter()
        each = await gather_all(self._works(context, nodes, ask, timeout_s))
        context.waited_s += min(timeout_s, time.perf_counter() - began)
        return {node: came for answers in each for node, came in answers.items()}

    def _works(
        self, context: SearchContext, nodes: list[str], ask: SearchAsk, timeout_s: float
    ) -> list[Coroutine[Any, Any, Answers]]:
        strange = [node for node in nodes if node in context.plan.strangers]
        plain = [node for node in nodes if node not in context.plan.strangers and node != MASTER]
        works = [self._asked(context, plain, ask, timeout_s)] if plain else []
        if strange:
            works.append(self._rescored(context, strange, ask, timeout_s))
        if MASTER in nodes:
            works.append(self._own_answer(ask, timeout_s))
        return works

    async def _asked(self, context: SearchContext, nodes: list[str], ask: SearchAsk, timeout_s: float) -> Answers:
        search = context.search
        manner = Manner(search.partial, search.max_parallel, context.choice.expected)
        return await self._scatter.ask(nodes, ask, timeout_s, manner)

    async def _rescored(self, context: SearchContext, nodes: list[str], ask: SearchAsk, timeout_s: float) -> Answers:
        """Responses of nodes of another analyzer or embedder, rescored here."""
        until, theirs_s = time.perf_counter() + timeout_s, THEIR_SHARE * timeout_s
        theirs = candidates_ask(ask, context.search.query[:MOST_QUERY_CHARS], theirs_s)
        came = await self._asked(context, nodes, theirs, theirs_s)
        alphas: dict[str, dict[str, float]] = {node: {} for node in nodes}
        for (node, collection), alpha in context.plan.alphas.items():
            alphas.setdefault(node, {})[collection] = alpha
        return await scored_anew(came, ask, alphas, until - time.perf_counter())

    async def _own_answer(self, ask: SearchAsk, timeout_s: float) -> Answers:
        assert self._own is not None
        came = await self._own.answer(encode(ask), timeout_s)
        return {MASTER: read(MASTER, came, ask, self._own.names())}
