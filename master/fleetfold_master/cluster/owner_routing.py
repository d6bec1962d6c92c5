"""Routing of requests about a job or a transaction to the master that owns it.

The guard of the receiving master authenticates, authorises and audits; the handler runs at the owner. After the owner
died, a request waits until another master has taken over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace as changed
from typing import Any

import msgspec

from fleetfold_broker.rpc.admission import begin_waiting
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_broker.rpc.streamed_reply import Say
from fleetfold_master.access.authorizer import Principal
from fleetfold_master.api.guard import Verb
from fleetfold_master.cluster.peer_messages import PeerCall
from fleetfold_master.cluster.peers import Peers
from fleetfold_master.cluster.result_routing import WorkOwner
from fleetfold_master.jobs.polling import LOOK_S, until_next_look
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Job, Message, TransactionView, decode

__all__ = ["OwnerRouting"]

KINDS: dict[str, type[Message]] = {"jobs": Job, "transactions": TransactionView}
FORWARDED = frozenset({
    "jobs.cancel", "jobs.wait", "transactions.cancel", "transactions.resolve", "transactions.retry",
    "transactions.skip", "transactions.wait",
})  # fmt: skip
WAITING = frozenset({"jobs.wait", "transactions.wait"})
FOLLOWED = frozenset({"jobs.follow", "transactions.follow"})
"""Verbs that are answered from the rows, a few times a second, by any master."""
TAKEOVER_S = 4.0
"""How long, in seconds, a request waits for a takeover."""
AGAIN_S = 0.1
ANSWER_S = 5.0
"""Seconds that an answer may take beyond the time that the caller wants to wait."""


class OwnerRouting:
    """Routes verbs. `engines` are jobs and transactions, keyed by the first part of the verbs' names."""

    def __init__(self, engines: Mapping[str, WorkOwner], peers: Peers) -> None:
        self._engines, self._peers = engines, peers
        self._verbs: dict[str, Verb[Any]] = {}

    async def start(self) -> None:
        """Serve the requests that peers forward."""
        await self._peers.serve("call", self._called)

    def route(self, name: str, verb: Verb[Any]) -> Verb[Any]:
        """Wrap a verb so that it is forwarded when another master owns its subject."""
        if name in FOLLOWED and verb.in_parts is not None:
            return self._followed(name, verb)
        if name not in FORWARDED:
            return verb
        self._verbs[name] = verb

        async def handle(ask: Any, who: Principal) -> Message:
            return await self._ask_owner(name, ask, who) or await verb.handle(ask, who)

        return changed(verb, handle=handle)

    async def _ask_owner(self, name: str, ask: Any, who: Principal) -> Message | None:
        """Ask the owner. Returns None if the owner is this master, or if there is none."""
        area = name.partition(".")[0]
        loop, engine = asyncio.get_running_loop(), self._engines[area]
        until = loop.time() + TAKEOVER_S
        await engine.fetch(ask.id)
        while not engine.owns(ask.id) and (owner := await engine.owner_of(ask.id)) is not None:
            if owner in self._peers.others:
                call = PeerCall(verb=name, ask=msgspec.to_builtins(ask), who=who)
                wait_s = getattr(ask, "wait_ms", 0) / 1000 + ANSWER_S
                if name in WAITING:
                    begin_waiting()
                try:
                    return await self._peers.ask(owner, "call", call, KINDS[area], wait_s)
                except Unavailable:  # it is shutting down: look up the owner again
                    pass
            if loop.time() > until:
                raise Unavailable(f"id: the master that drives {ask.id!r} does not answer; try again", field="id")
            await asyncio.sleep(AGAIN_S)
        return None

    async def _called(self, call: Call) -> Message:
        forwarded = decode(call.body, PeerCall)
        verb = self._verbs[forwarded.verb]
        return await verb.handle(msgspec.convert(forwarded.ask, verb.takes), forwarded.who)

    def _followed(self, name: str, verb: Verb[Any]) -> Verb[Any]:
        engine = self._engines[name.partition(".")[0]]

        async def handle_in_parts(ask: Any, who: Principal, say: Say) -> Message:
            loop = asyncio.get_running_loop()
            until, told = loop.time() + ask.wait_ms / 1000, None
            begin_waiting()
            while not engine.owns(ask.id) and loop.time() < until and await engine.owner_of(ask.id) is not None:
                record = await verb.handle(msgspec.structs.replace(ask, wait_ms=0), who)
                if record != told:
                    await say(record)
                    told = record
                await until_next_look(LOOK_S, until - loop.time())
            left_ms = max(0, int((until - loop.time()) * 1000))
            assert verb.in_parts is not None
            return await verb.in_parts(msgspec.structs.replace(ask, wait_ms=left_ms), who, say)

        return changed(verb, in_parts=handle_in_parts)
