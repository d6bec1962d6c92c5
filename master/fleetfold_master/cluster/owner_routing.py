"""What a caller asks of a job or a transaction reaches the master that drives it, wherever the caller was heard.

The guard where it was heard has decided who the caller is, and writes it down; the verb runs at the owner. While the
owner has died and nobody has taken over yet, the caller waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace as changed
from typing import Any

import msgspec

from fleetfold_broker.rpc.admission import begin_waiting
from fleetfold_broker.rpc.request_server import Request
from fleetfold_broker.rpc.streamed_reply import Say
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.guard import Verb
from fleetfold_master.cluster.peer_messages import PeerCall
from fleetfold_master.cluster.peers import Peers
from fleetfold_master.cluster.result_routing import Driving
from fleetfold_master.jobs.polling import LOOK_S, until_next_look
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Job, Message, TransactionView, decode

__all__ = ["OwnerRouting"]

KINDS: dict[str, type[Message]] = {"jobs": Job, "tx": TransactionView}
FORWARDED = frozenset({"jobs.cancel", "jobs.wait", "tx.cancel", "tx.resolve", "tx.retry", "tx.skip", "tx.wait"})
WAITING = frozenset({"jobs.wait", "tx.wait"})
FOLLOWED = frozenset({"jobs.follow", "tx.follow"})
"""These are served from the rows, a few times a second."""
TAKEOVER_S = 4.0
"""How long a caller waits for somebody to take over."""
AGAIN_S = 0.1
ANSWER_S = 5.0
"""What an answer may take beyond the time that the caller wants to wait."""


class OwnerRouting:
    """Routes verbs. `rooms` are jobs and transactions, by the first part of the verbs about them."""

    def __init__(self, rooms: Mapping[str, Driving], peers: Peers) -> None:
        self._rooms, self._peers = rooms, peers
        self._verbs: dict[str, Verb[Any]] = {}

    async def start(self) -> None:
        """Answer what was asked of other masters."""
        await self._peers.serve("call", self._called)

    def route(self, name: str, verb: Verb[Any]) -> Verb[Any]:
        """The verb, forwarded where need be."""
        if name in FOLLOWED and verb.in_parts is not None:
            return self._followed(name, verb)
        if name not in FORWARDED:
            return verb
        self._verbs[name] = verb

        async def handle(ask: Any, who: Principal) -> Message:
            return await self._elsewhere(name, ask, who) or await verb.handle(ask, who)

        return changed(verb, handle=handle)

    async def _elsewhere(self, name: str, ask: Any, who: Principal) -> Message | None:
        """The owner's answer; `None` when it is in hand here, or in nobody's."""
        area = name.partition(".")[0]
        loop, room = asyncio.get_running_loop(), self._rooms[area]
        until = loop.time() + TAKEOVER_S
        await room.fetch(ask.id)
        while not room.drives(ask.id) and (owner := await room.owner_of(ask.id)) is not None:
            if owner in self._peers.others:
                call = PeerCall(verb=name, ask=msgspec.to_builtins(ask), who=who)
                wait_s = getattr(ask, "wait_ms", 0) / 1000 + ANSWER_S
                if name in WAITING:
                    begin_waiting()
                try:
                    return await self._peers.ask(owner, "call", call, KINDS[area], wait_s)
                except Unavailable:  # it is dying: look again
                    pass
            if loop.time() > until:
                raise Unavailable(f"id: the master that drives {ask.id!r} does not answer; try again", field="id")
            await asyncio.sleep(AGAIN_S)
        return None

    async def _called(self, request: Request) -> Message:
        call = decode(request.data, PeerCall)
        verb = self._verbs[call.verb]
        return await verb.handle(msgspec.convert(call.ask, verb.takes), call.who)

    def _followed(self, name: str, verb: Verb[Any]) -> Verb[Any]:
        room = self._rooms[name.partition(".")[0]]

        async def handle_in_parts(ask: Any, who: Principal, say: Say) -> Message:
            loop = asyncio.get_running_loop()
            until, told = loop.time() + ask.wait_ms / 1000, None
            begin_waiting()
            while not room.drives(ask.id) and loop.time() < until and await room.owner_of(ask.id) is not None:
                record = await verb.handle(msgspec.structs.replace(ask, wait_ms=0), who)
                if record != told:
                    await say(record)
                    told = record
                await until_next_look(LOOK_S, until - loop.time())
            left_ms = max(0, int((until - loop.time()) * 1000))
            assert verb.in_parts is not None
            return await verb.in_parts(msgspec.structs.replace(ask, wait_ms=left_ms), who, say)

        return changed(verb, in_parts=handle_in_parts)
