"""Federated search in three stages: plan, scatter, merge. One round trip to the nodes, an exact merge, and a report of
the nodes that are missing.
"""

from __future__ import annotations

import time

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.cache.query_cache import Cache, CacheRequest
from fleetfold_master.search.late_answers import LateAnswers
from fleetfold_master.search.merge.merge_time_reserve import MergeMargin
from fleetfold_master.search.merge.response import merge_responses
from fleetfold_master.search.plan.planner import Planner
from fleetfold_master.search.plan.search_plan import SearchDeadline, SearchPlan
from fleetfold_master.search.scatter.scatter import Scatter
from fleetfold_shared.messages import Search, Searched

__all__ = ["Federation"]


class Federation:
    """Searches the fleet's nodes and the master's own collections. `cache` holds complete answers, `late` completes
    those that lacked slow nodes.
    """

    def __init__(self, planner: Planner, scatter: Scatter, late: LateAnswers, cache: Cache | None = None) -> None:
        self.scatter = scatter
        """The second stage."""
        self._planner, self._late, self._cache = planner, late, cache
        self._margin = MergeMargin()

    def nodes(self) -> list[StoredNode]:
        """All that can be searched: the fleet's nodes, and the master's own collections as one of them."""
        return self._planner.fleet.nodes(Search(query=""))

    async def search(self, search: Search, asked: Search | None = None) -> Searched:
        """Search, and return the merged ranking with a report for every node. Raises `InvalidInput`, `NotFound`, and
        `Unavailable` if a node is missing with `partial="fail"`.

        `asked` is the caller's query if its scope reduced it to `search`: a cursor belongs to the former.
        """
        started = time.perf_counter()
        with self._margin.search():
            deadline = SearchDeadline(started, search.timeout_ms / 1000, self._margin.reserved_s(search))
            plan = await self._planner.plan(search, asked or search, deadline)
            if self._cache is None:
                return (await self._execute(plan))[1]
            return await self._cache.answer(CacheRequest(search, plan.key, started), lambda: self._execute(plan))

    async def _execute(self, plan: SearchPlan) -> tuple[str | None, Searched]:
        """Scatter and merge. Returns the key to cache the answer under, and the answer."""
        plan = self._planner.revalidated(plan)
        began, ask, scattered = time.perf_counter(), plan.timed_ask(), self.scatter.begin(plan)
        responses = await scattered.ask(ask, plan.deadline.left_s())
        searched = await merge_responses(plan, ask, responses, scattered)
        self._margin.took(plan.search, time.perf_counter() - began - scattered.waited_s)
        self._late.expect(plan, responses)
        return plan.key, searched
