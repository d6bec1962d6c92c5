"""Results find the master that drives what they belong to.

All masters share one consumer of the results, so any of them may get any. One that is of nothing in hand here is
offered to the others, and acknowledged when one of them has committed it. While its job or transaction is between two
masters it comes again a moment later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from fleetfold_broker.jetstream.pull_consumer import NotYet
from fleetfold_broker.rpc.request_server import Request
from fleetfold_master.cluster.peer_messages import PeerResult, Took
from fleetfold_master.cluster.peers import Peers
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, Unavailable
from fleetfold_shared.messages import CommandResult, decode

__all__ = ["Driving", "ResultRouting"]

OFFER_S = 2.0


class Driving(Protocol):
    """Jobs, or transactions."""

    def drives(self, key: str) -> bool: ...

    async def owner_of(self, key: str) -> str | None: ...

    async def fetch(self, key: str) -> bool: ...

    async def on_result(self, node: str, result: CommandResult) -> bool: ...


KeyOf = Callable[[str], str | None]
"""The id of the job or transaction whose command this is."""
Learn = Callable[[str, CommandResult], Awaitable[None]]


class ResultRouting:
    """Takes each result to where it belongs. `rooms` are tried in order; `learn` takes in what else a result tells."""

    def __init__(self, rooms: Sequence[tuple[KeyOf, Driving]], peers: Peers, learn: Learn) -> None:
        self._rooms, self._peers, self._learn = rooms, peers, learn
        self.told: Callable[[str, CommandResult], Awaitable[None]] = _nobody_else
        """Told of each result that has a code, before it is acknowledged."""

    async def start(self) -> None:
        """Take what other masters offer."""
        await self._peers.serve("result", self._offered)

    async def take(self, node: str, result: CommandResult) -> bool:
        """Once this returns it is committed, here or elsewhere; False when it is of nothing known.

        `NotYet` when nobody drives now what it belongs to, but somebody will.
        """
        for key_of, room in self._rooms:
            if (key := key_of(result.id)) is not None:
                known = await self._take(key, room, node, result)
                if known and result.code:
                    await self.told(node, result)
                return known
        return False

    async def _take(self, key: str, room: Driving, node: str, result: CommandResult) -> bool:
        try:
            if not room.drives(key) and not await room.fetch(key):
                if await self._is_taken_elsewhere(node, result):
                    return True
                if await room.owner_of(key) is not None and not room.drives(key):
                    raise NotYet(f"{key} is between two masters")
            return await room.on_result(node, result)
        except (Unavailable, DeadlineExceeded) as error:  # ours no more, or the database is away
            raise NotYet(error.message) from error

    async def _is_taken_elsewhere(self, node: str, result: CommandResult) -> bool:
        """Most often there is one other."""
        for master in self._peers.others:
            try:
                offer = PeerResult(node=node, result=result)
                if (await self._peers.ask(master, "result", offer, Took, OFFER_S)).mine:
                    return True
            except FleetfoldError:  # it may just have died: whose the result is, the database says
                continue
        return False

    async def _offered(self, request: Request) -> Took:
        offer = decode(request.data, PeerResult)
        await self._learn(offer.node, offer.result)
        for key_of, room in self._rooms:
            key = key_of(offer.result.id)
            if key is not None and room.drives(key):
                return Took(mine=await room.on_result(offer.node, offer.result))
        return Took(mine=False)


async def _nobody_else(_node: str, _result: CommandResult) -> None:
    """Nobody else wants to know."""
