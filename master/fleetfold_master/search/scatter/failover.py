"""Failover within one search: when a replica's holder fails or is slow, other holders are asked as well (hedging)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any

from fleetfold_master.search.merge.node_response_join import joined_response
from fleetfold_master.search.plan.replica_assignment import ReplicaAssignment
from fleetfold_master.search.plan.target_nodes import Key
from fleetfold_master.search.scatter.requests_per_node import Part, fallback_requests, requests_of
from fleetfold_master.search.shard_response import ShardResponse, ShardResponses
from fleetfold_shared.concurrency import cancel_all, gather_all
from fleetfold_shared.messages import SearchRequest

__all__ = ["FailoverRound", "Send"]

Requests = list[Coroutine[Any, Any, ShardResponses]]
Send = Callable[[list[str], SearchRequest, float], Requests]
"""The requests that ask nodes for at most so many seconds, to be awaited together; they return a response for each."""

Gathered = asyncio.Future[list[ShardResponses]]
"""The responses to several requests."""

HedgeDelay = Callable[[str], float]
"""How many seconds a node is waited for before other holders are asked as well."""


class FailoverRound:
    """The requests of one search. `pins` are the holders that answered the previous page, each `node/collection`."""

    def __init__(
        self, replicas: ReplicaAssignment, send: Send, hedge_delay_s: HedgeDelay, pins: Collection[str] = ()
    ) -> None:
        self.replicas = replicas
        """Which holder is asked for what; after the round, which one answered."""
        self.waited_s = 0.0
        """Seconds spent waiting for nodes so far."""
        self._send, self._hedge_delay_s, self._pins = send, hedge_delay_s, pins

    def ask(self, ask: SearchRequest, timeout_s: float) -> Coroutine[Any, Any, ShardResponses]:
        """The responses of all nodes that are asked, including fallbacks."""
        asked = self.replicas.asked
        held = [node for node in asked if self.replicas.fallbacks(node, {node})]
        plain = requests_of(self.replicas, ask, [node for node in asked if node not in held], self._pins)
        hedged = [self._hedged(node, ask, timeout_s) for node in held]
        return self._gathered(self._sent(plain, timeout_s) + hedged, ask, timeout_s)

    def again(self, nodes: list[str], ask: SearchRequest, timeout_s: float) -> Coroutine[Any, Any, ShardResponses]:
        """The responses of nodes that have answered and are asked once more, without fallbacks."""
        parts = requests_of(self.replicas, ask, nodes, self._pins)
        return self._gathered(self._sent(parts, timeout_s), ask, timeout_s)

    def _sent(self, parts: Iterable[Part], timeout_s: float) -> Requests:
        return [request for nodes, ask in parts for request in self._send(nodes, ask, timeout_s)]

    async def _gathered(self, requests: Requests, ask: SearchRequest, timeout_s: float) -> ShardResponses:
        """Await the requests together; if one fails, the others are cancelled."""
        began = time.perf_counter()
        try:
            return _joined(await gather_all(list(map(asyncio.create_task, requests))), ask)
        finally:
            self.waited_s += min(timeout_s, time.perf_counter() - began)

    async def _hedged(self, node: str, ask: SearchRequest, timeout_s: float) -> ShardResponses:
        """The response of `node`; if it fails or is slow, also those of other holders for the same groups.

        Waits until `node` has answered successfully, or the others for all its groups, or all have been tried.
        """
        until = asyncio.get_running_loop().time() + timeout_s
        parts = requests_of(self.replicas, ask, [node], self._pins)
        others = _Fallbacks(self.replicas, node, ask, self._pins)
        tasks = list(map(asyncio.create_task, self._sent(parts, timeout_s)))
        own: Gathered = asyncio.gather(*tasks)
        running: Gathered | None = None
        try:
            await asyncio.wait({own}, timeout=min(self._hedge_delay_s(node), timeout_s))
            while not _is_whole(own):
                if running is None or running.done():
                    others.take([] if running is None else running.result())
                    asked = list(map(asyncio.create_task, self._sent(*others.following(until, self._hedge_delay_s))))
                    running = asyncio.gather(*asked) if asked else None
                    tasks += asked
                if running is None and (own.done() or (others.are_whole and not self.replicas.has_own(node))):
                    break
                unfinished = {one for one in (own, running) if one is not None and not one.done()}
                await asyncio.wait(unfinished, return_when=asyncio.FIRST_COMPLETED)
            if _is_whole(own):
                return _joined(own.result(), ask)
            self.replicas = self.replicas.moved(others.servers)
            return _joined([*_own_responses(node, own), others.responses], ask)
        finally:
            await cancel_all(own, running, *tasks)


class _Fallbacks:
    """The holders asked in place of one node, one after another. `servers` are those that answered, by group."""

    def __init__(self, replicas: ReplicaAssignment, node: str, ask: SearchRequest, pins: Collection[str]) -> None:
        self._replicas, self._node, self._ask, self._pins = replicas, node, ask, pins
        self._tried = {node}
        self._asked = dict[str, Key]()
        self.responses = ShardResponses()
        self.servers = dict[str, Key]()

    @property
    def are_whole(self) -> bool:
        """Whether each group that the node is asked for has a response."""
        return self._replicas.fallbacks(self._node, {self._node}).keys() <= self.servers.keys()

    def following(self, until: float, hedge_delay_s: HedgeDelay) -> tuple[list[Part], float]:
        """The requests to the next holder of each group without a response, and the seconds that they get.

        There are none if each group has a response, no holder is left, or the time is over.
        """
        self._asked = self._untried()
        self._tried |= {node for node, _ in self._asked.values()}
        timeout_s = until - asyncio.get_running_loop().time()
        if not self._asked or timeout_s <= 0:
            return [], 0.0
        if self._untried():
            timeout_s = min(timeout_s, max(hedge_delay_s(node) for node, _ in self._asked.values()))
        return fallback_requests(self._replicas, self._asked, self._ask, self._pins), timeout_s

    def take(self, gathered: Iterable[ShardResponses]) -> None:
        """Record the responses to the last requests. A failed fallback is reported only if it is not asked for anything
        else."""
        received, asked = _joined(gathered, self._ask), self._replicas.asked
        usable = {node: one for node, one in received.items() if one.is_whole or node not in asked}
        self.responses = _joined([self.responses, usable], self._ask)
        self.servers |= {
            group: key for group, key in self._asked.items() if key[0] in received and received[key[0]].is_whole
        }

    def _untried(self) -> dict[str, Key]:
        left = self._replicas.fallbacks(self._node, self._tried)
        return {group: key for group, key in left.items() if group not in self.servers}


def _own_responses(node: str, own: Gathered) -> list[ShardResponses]:
    """The responses of the node itself; if it was given up, the report of that."""
    if own.done():
        return own.result()
    return [{node: ShardResponse.silent(node, "it was slow, and others answered for it")}]


def _is_whole(own: Gathered) -> bool:
    return own.done() and all(one.is_whole for responses in own.result() for one in responses.values())


def _joined(gathered: Iterable[ShardResponses], ask: SearchRequest) -> ShardResponses:
    """All responses by node; those of a node that answered twice are joined."""
    found = ShardResponses()
    for responses in gathered:
        for node, one in responses.items():
            found[node] = joined_response(found[node], one, ask) if node in found else one
    return found
