"""Routing of nodes' results to the master that owns the job or transaction.

All masters share one consumer of results, so any of them may receive any. A result that nothing here owns is offered to
the peers, and acknowledged when one of them has committed it. While a takeover is in progress it is redelivered a
moment later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from fleetfold_broker.jetstream.pull_consumer import NotYet
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_master.cluster.peer_messages import PeerResult, Took
from fleetfold_master.cluster.peers import Peers
from fleetfold_master.nodes.result_pipeline import Learn
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Unavailable
from fleetfold_shared.messages import CommandResult, decode

__all__ = ["OnFailure", "ResultRouting", "WorkOwner"]

OFFER_S = 2.0


class WorkOwner(Protocol):
    """An engine that owns work: jobs or transactions."""

    def owns(self, key: str) -> bool: ...

    async def owner_of(self, key: str) -> str | None: ...

    async def fetch(self, key: str) -> bool: ...

    async def on_result(self, node: str, result: CommandResult) -> bool: ...


KeyOf = Callable[[str], str | None]
"""Returns the id of the job or transaction that a command id belongs to, or None."""
OnFailure = Callable[[str, CommandResult], Awaitable[None]]
"""Awaited with each result that has an error code, before it is acknowledged: what it stores must not be lost."""


class ResultRouting:
    """Delivers each result to its owner. `engines` are tried in order; `learn` is given every result. `is_replaced`
    says of which processes the engines refuse results: those are no failures of their commands."""

    def __init__(
        self, engines: Sequence[tuple[KeyOf, WorkOwner]], peers: Peers, learn: Learn, on_failure: OnFailure,
        is_replaced: Callable[[str, str], bool] = lambda _node, _incarnation: False,
    ) -> None:  # fmt: skip
        self._is_replaced = is_replaced
        self._engines, self._peers, self._learn, self._on_failure = engines, peers, learn, on_failure

    async def start(self) -> None:
        """Serve the results that peers offer."""
        await self._peers.serve("result", self._offered)

    async def take(self, node: str, result: CommandResult) -> bool:
        """Commit a result, here or at its owner. Returns False if it belongs to nothing known.

        Raises `NotYet` while a takeover is in progress and the result has no owner.
        """
        for key_of, engine in self._engines:
            if (key := key_of(result.id)) is not None:
                known = await self._take(key, engine, node, result)
                if known and result.code and not self._is_replaced(node, result.incarnation):
                    await self._on_failure(node, result)
                return known
        return False

    async def _take(self, key: str, engine: WorkOwner, node: str, result: CommandResult) -> bool:
        try:
            if not engine.owns(key) and not await engine.fetch(key):
                if await self._is_committed_by_peer(node, result):
                    return True
                if await engine.owner_of(key) is not None and not engine.owns(key):
                    raise NotYet(f"{key} is between two masters")
            return await engine.on_result(node, result)
        except (Unavailable, DeadlineExceeded) as error:  # no longer owned here, or the database is unavailable
            raise NotYet(error.message) from error

    async def _is_committed_by_peer(self, node: str, result: CommandResult) -> bool:
        """Offer the result to the peers, the owner first. Returns whether one has committed it."""
        for master in self._peers.others:
            try:
                offer = PeerResult(node=node, result=result)
                if (await self._peers.ask(master, "result", offer, Took, OFFER_S)).mine:
                    return True
            except FleetfoldError:  # it may just have died: read the owner from the database
                continue
        return False

    async def _offered(self, call: Call) -> Took:
        offer = decode(call.body, PeerResult)
        await self._learn(offer.node, offer.result)
        for key_of, engine in self._engines:
            key = key_of(offer.result.id)
            if key is not None and engine.owns(key):
                return Took(mine=await engine.on_result(offer.node, offer.result))
        return Took(mine=False)
