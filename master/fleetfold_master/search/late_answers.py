"""Late answers: shard responses that arrive after their search; once complete, the merged answer is cached."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fleetfold_broker.rpc.scatter import LATE_S
from fleetfold_master.search.cache.query_cache import Cache
from fleetfold_master.search.merge.merge import merge_page
from fleetfold_master.search.merge.response import respond
from fleetfold_master.search.plan.search_plan import SearchPlan
from fleetfold_master.search.shard_response import ShardResponse, ShardResponses
from fleetfold_shared.messages import SearchRequest

__all__ = ["LateAnswers"]

MOST = 256
"""The most searches waited for; the oldest are dropped, and those for which no response can come any more."""


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A search that was answered without some nodes."""

    plan: SearchPlan
    key: str
    responses: ShardResponses
    missing: set[str]

    @property
    def over_at(self) -> float:
        """The time, by `time.perf_counter`, from which no response can arrive any more."""
        return self.plan.deadline.started + self.plan.deadline.timeout_s + LATE_S


class LateAnswers:
    """Waits for late responses, as long as the scatter delivers them. Only plain first pages are worth it."""

    def __init__(self, cache: Cache | None) -> None:
        self._cache = cache
        self._unfinished: dict[str, _Unfinished] = {}

    def expect(self, plan: SearchPlan, responses: ShardResponses) -> None:
        """Record that a search was answered; nodes that were too slow for it may still answer."""
        slow = {node for node, (report, _) in responses.items() if report.status in {"timeout", "open"}}
        if self._cache is None or plan.key is None or not slow or not _is_plain(plan):
            return
        self._unfinished[plan.ask.request] = _Unfinished(plan, plan.key, dict(responses), slow)
        self._forget_the_oldest()

    def received(self, ask: SearchRequest, node: str, response: ShardResponse) -> None:
        """Process a late response of a node."""
        waiting = self._unfinished.get(ask.request)
        if waiting is None or node not in waiting.missing or ask.query is not None:
            return  # its responses are candidates, which nothing rescores any more
        waiting.responses[node] = response
        waiting.missing.discard(node)
        if not waiting.missing:
            self._keep(self._unfinished.pop(ask.request))

    def _forget_the_oldest(self) -> None:
        """Drop the oldest searches, because they hold whole responses. `LATE_S` after its deadline a search gets
        none."""
        now = time.perf_counter()
        for request, waiting in list(self._unfinished.items()):
            if len(self._unfinished) <= MOST and now < waiting.over_at:
                break
            del self._unfinished[request]

    def _keep(self, finished: _Unfinished) -> None:
        plan, responses = finished.plan, finished.responses
        hits = merge_page(responses, plan.search.limit, plan.ask.k)
        searched = respond(plan, plan.replicas, hits, responses)
        assert self._cache is not None
        self._cache.complete(finished.key, searched, plan.deadline.took_ms())


def _is_plain(plan: SearchPlan) -> bool:
    """Whether each node was asked once, with the same request."""
    search = plan.search
    once = search.dedup == "off" and not search.sort and not plan.replicas.groups
    return once and not search.explain and search.cache != "off"
