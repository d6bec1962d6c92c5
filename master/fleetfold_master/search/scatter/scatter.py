"""The scatter of a search: its shard requests go to nodes on the bus, to nodes of another analyzer, and to the master's
own collections, all at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from fleetfold_master.nodes import RequestHealth
from fleetfold_master.search.merge.foreign_rescoring import THEIR_SHARE, candidates_ask, rescore
from fleetfold_master.search.own_collections import OwnNode
from fleetfold_master.search.plan.search_plan import SearchPlan
from fleetfold_master.search.scatter.failover import FailoverRound
from fleetfold_master.search.scatter.fan_out import ShardClient
from fleetfold_master.search.shard_response import ShardResponses
from fleetfold_shared.ids import MASTER
from fleetfold_shared.messages import SearchRequest
from fleetfold_shared.text.analysis import MAX_QUERY_CHARS

__all__ = ["Scatter"]

LEAST_HEDGE_DELAY_S, UNKNOWN_HEDGE_DELAY_S = 0.03, 0.1
"""Minimum wait in seconds before another holder is asked, and the wait while a holder's latency is unknown."""


class Scatter:
    """Sends the shard requests of plans. `own` are the master's collections, if it has any."""

    def __init__(self, client: ShardClient, health: RequestHealth, own: OwnNode | None = None) -> None:
        self.client = client
        """The client of the nodes on the bus."""
        self._health, self._own = health, own

    def begin(self, plan: SearchPlan) -> FailoverRound:
        """The requests of one plan, of which none has been sent yet."""
        return FailoverRound(plan.replicas, partial(self._requests, plan), self._hedge_delay_s, plan.pages.pins)

    def _hedge_delay_s(self, node: str) -> float:
        """Seconds to wait for a holder before another one is asked as well: the 95th percentile of its latency (Dean
        and Barroso, "The Tail at Scale", 2013: hedged requests)."""
        round_trip = self._health.round_trip(node)
        return max(LEAST_HEDGE_DELAY_S, round_trip.p95) if round_trip.known else UNKNOWN_HEDGE_DELAY_S

    def _requests(
        self, plan: SearchPlan, nodes: list[str], ask: SearchRequest, timeout_s: float
    ) -> list[Coroutine[Any, Any, ShardResponses]]:
        """The requests to `nodes`, one for each kind of node, to be awaited together."""
        foreign = [node for node in nodes if node in plan.targets.foreign]
        plain = [node for node in nodes if node not in plan.targets.foreign and node != MASTER]
        requests = [self.client.ask(plain, ask, timeout_s, plan.waiting)] if plain else []
        if foreign:
            requests.append(self._rescored(plan, foreign, ask, timeout_s))
        if MASTER in nodes and self._own is not None:
            requests.append(self._own.answer(ask, timeout_s))
        return requests

    async def _rescored(
        self, plan: SearchPlan, nodes: list[str], ask: SearchRequest, timeout_s: float
    ) -> ShardResponses:
        """Responses of nodes of another analyzer or embedder, rescored here while other nodes are still waited for."""
        until, theirs_s = time.perf_counter() + timeout_s, THEIR_SHARE * timeout_s
        theirs = candidates_ask(ask, plan.search.query[:MAX_QUERY_CHARS], theirs_s)
        responses = await self.client.ask(nodes, theirs, theirs_s, plan.waiting)
        alphas: dict[str, dict[str, float]] = {node: {} for node in nodes}
        for (node, collection), alpha in plan.targets.alphas.items():
            alphas.setdefault(node, {})[collection] = alpha
        return await rescore(responses, ask, alphas, until - time.perf_counter())
