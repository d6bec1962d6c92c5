"""Failover within one search: when a replica's holder fails or is slow, other holders are asked as well (hedging)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from typing import Any

from fleetfold_master.search.replica_assignment import Key, ReplicaAssignment
from fleetfold_master.search.shard_requests import Part, joined, parts, stand_in_parts
from fleetfold_master.search.shard_response import Came
from fleetfold_shared.concurrency import gather_all
from fleetfold_shared.messages import NodeReport, SearchAsk

__all__ = ["FailoverRound", "Send"]

Answers = dict[str, Came]
Send = Callable[[list[str], SearchAsk, float], Coroutine[Any, Any, Answers]]
"""Asks nodes for one request, for at most so many seconds; returns a report for each."""

Patience = Callable[[str], float]
"""How many seconds a node is waited for before other holders are asked as well."""


class FailoverRound:
    """One round of requests. `pins` are the holders that answered the previous page, each `node/collection`."""

    def __init__(self, holding: ReplicaAssignment, send: Send, patience: Patience, pins: Collection[str] = ()) -> None:
        self.holding = holding
        """Which holder is asked for what; after the round, which one answered."""
        self._send, self._patience, self._pins = send, patience, pins

    async def ask(self, ask: SearchAsk, timeout_s: float) -> Answers:
        """The responses of all nodes that were asked, including stand-ins."""
        asked = self.holding.asked
        held = [node for node in asked if self.holding.stand_ins(node, {node})]
        plain = parts(self.holding, ask, [node for node in asked if node not in held], self._pins)
        rounds = [self._sent(plain, ask, timeout_s), *(self._held(node, ask, timeout_s) for node in held)]
        return _together(await gather_all(rounds), ask)

    async def again(self, nodes: list[str], ask: SearchAsk, timeout_s: float) -> Answers:
        """Ask nodes that have answered once more, without stand-ins."""
        return await self._sent(parts(self.holding, ask, nodes, self._pins), ask, timeout_s)

    async def _sent(self, sent: list[Part], ask: SearchAsk, timeout_s: float) -> Answers:
        return _together(await gather_all([self._send(nodes, one, timeout_s) for nodes, one in sent]), ask)

    async def _held(self, node: str, ask: SearchAsk, timeout_s: float) -> Answers:
        """The response of `node`; if it fails or is slow, also those of other holders for the same groups."""
        until = asyncio.get_running_loop().time() + timeout_s
        own = asyncio.create_task(self._sent(parts(self.holding, ask, [node], self._pins), ask, timeout_s))
        others = _StandIns(self.holding, node, ask, until, self._patience, self._pins)
        running: asyncio.Task[None] | None = None
        try:
            await asyncio.wait({own}, timeout=min(self._patience(node), timeout_s))
            if not _is_good(own):
                running = asyncio.create_task(others.fill(self._sent))
                await self._first(own, running, others, node)
            if _is_good(own):
                return own.result()
            self.holding = self.holding.moved(others.servers)
            return _together([_given_up(node, own), others.answers], ask)
        finally:
            for task in (own, running):
                if task is not None:
                    task.cancel()

    async def _first(
        self, own: asyncio.Task[Answers], running: asyncio.Task[None], others: _StandIns, node: str
    ) -> None:
        """Wait until `node` has answered successfully, or the others for all its groups, or all have been tried."""
        waiting: set[asyncio.Task[Any]] = {own, running}
        while waiting and not _is_good(own):
            if running.done() and others.is_whole and not self.holding.has_own(node):
                break
            waiting = {task for task in waiting if not task.done()}
            if waiting:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()


class _StandIns:
    """The holders asked in place of one node. `servers` are those that answered, by group."""

    def __init__(
        self,
        holding: ReplicaAssignment,
        node: str,
        ask: SearchAsk,
        until: float,
        patience: Patience,
        pins: Collection[str],
    ) -> None:
        self._holding, self._node, self._ask, self._until = holding, node, ask, until
        self._patience, self._pins = patience, pins
        self._tried = {node}
        self.answers = Answers()
        self.servers = dict[str, Key]()

    @property
    def is_whole(self) -> bool:
        """Whether each group that the node is asked for has a response."""
        return self._holding.stand_ins(self._node, {self._node}).keys() <= self.servers.keys()

    async def fill(self, send: Callable[[list[Part], SearchAsk, float], Awaitable[Answers]]) -> None:
        """Ask one holder after another until each group has a response, no holder is left, or the time is over."""
        while left := self._left():
            self._tried |= {node for node, _ in left.values()}
            timeout_s = self._until - asyncio.get_running_loop().time()
            if timeout_s <= 0:
                return
            if self._left():
                timeout_s = min(timeout_s, max(self._patience(node) for node, _ in left.values()))
            sent = stand_in_parts(self._holding, left, self._ask, self._pins)
            self._take(left, await send(sent, self._ask, timeout_s))

    def _left(self) -> dict[str, Key]:
        left = self._holding.stand_ins(self._node, self._tried)
        return {group: key for group, key in left.items() if group not in self.servers}

    def _take(self, left: dict[str, Key], came: Answers) -> None:
        """Record a response. A failed stand-in is reported only if it is not asked for anything else."""
        asked = self._holding.asked
        kept = {node: one for node, one in came.items() if _is_sound(one) or node not in asked}
        self.answers = _together([self.answers, kept], self._ask)
        self.servers |= {group: key for group, key in left.items() if _is_sound(came[key[0]])}


def _given_up(node: str, own: asyncio.Task[Answers]) -> Answers:
    if own.done():
        return own.result()
    return {node: (NodeReport(node, "timeout", error="it was slow, and others answered for it"), None)}


def _is_good(own: asyncio.Task[Answers]) -> bool:
    return own.done() and all(map(_is_sound, own.result().values()))


def _is_sound(came: Came) -> bool:
    return came[1] is not None and came[0].status == "ok"


def _together(rounds: Iterable[Answers], ask: SearchAsk) -> Answers:
    """Join the responses of nodes that answered twice."""
    found = Answers()
    for answers in rounds:
        for node, came in answers.items():
            found[node] = joined(found[node], came, ask) if node in found else came
    return found
