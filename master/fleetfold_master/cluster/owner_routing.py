"""Routing of requests about a job or a transaction to the master that owns it.

The receiving master authenticates, authorises and audits; the handler runs at the owner. After the owner died, a
request waits until another master has taken over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

import msgspec

from fleetfold_broker.rpc.admission import begin_waiting
from fleetfold_broker.rpc.pipeline import MESSAGE, Call, Handler
from fleetfold_master.api.binding import Bindings
from fleetfold_master.api.interceptors import PRINCIPAL
from fleetfold_master.cluster.peer_messages import PeerCall
from fleetfold_master.cluster.peers import Peers
from fleetfold_master.cluster.result_routing import WorkOwner
from fleetfold_master.jobs.database_polling import LOOK_S, until_next_look
from fleetfold_shared import verbs
from fleetfold_shared.concurrency import cancel_all
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Message, decode
from fleetfold_shared.verbs import Verb

__all__ = ["OwnerRouting"]

FORWARDED: frozenset[Verb[Any, Any]] = frozenset({
    verbs.jobs.CANCEL, verbs.jobs.WAIT, verbs.transactions.CANCEL, verbs.transactions.RESOLVE,
    verbs.transactions.RETRY, verbs.transactions.SKIP, verbs.transactions.WAIT,
})  # fmt: skip
WAITING: frozenset[Verb[Any, Any]] = frozenset({verbs.jobs.WAIT, verbs.transactions.WAIT})
FOLLOWED: frozenset[Verb[Any, Any]] = frozenset({verbs.jobs.FOLLOW, verbs.transactions.FOLLOW})
"""Verbs that are answered from the rows, a few times a second, by any master."""
TAKEOVER_S = 4.0
"""How long, in seconds, a request waits for a takeover."""
AGAIN_S = 0.1
ANSWER_S = 5.0
"""Seconds that an answer may take beyond the time that the caller wants to wait."""


class OwnerRouting:
    """The last interceptor before the handlers. `engines` are jobs and transactions, by the area of their verbs."""

    def __init__(self, engines: Mapping[str, WorkOwner], peers: Peers, bindings: Bindings) -> None:
        self._engines, self._peers, self._bindings = engines, peers, bindings

    async def start(self) -> None:
        """Serve the requests that peers forward."""
        await self._peers.serve("call", self._called)

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Message | None]:
        """Forward the call if another master owns its subject."""
        verb = self._bindings[call.verb].verb
        if verb in FORWARDED:
            return self._forward(call, verb, proceed)
        return self._follow(call, verb, proceed) if verb in FOLLOWED else proceed(call)

    async def _forward(self, call: Call, verb: Verb[Any, Any], proceed: Handler) -> Message | None:
        return await self._ask_owner(call, verb) or await proceed(call)

    async def _ask_owner(self, call: Call, verb: Verb[Any, Any]) -> Message | None:
        """Ask the owner. Returns None if the owner is this master, or if there is none."""
        ask: Any = call.get(MESSAGE)
        loop, engine = asyncio.get_running_loop(), self._engines[verb.area]
        until, ends_at = loop.time() + TAKEOVER_S, loop.time() + getattr(ask, "wait_ms", 0) / 1000
        await engine.fetch(ask.id)
        while not engine.owns(ask.id) and (owner := await engine.owner_of(ask.id)) is not None:
            if owner in self._peers.others:
                if verb in WAITING:
                    begin_waiting()
                    ask = msgspec.structs.replace(ask, wait_ms=max(0, int((ends_at - loop.time()) * 1000)))
                message = PeerCall(verb=verb.name, ask=msgspec.to_builtins(ask), who=call.get(PRINCIPAL))
                try:
                    return await self._ask_while_alive(owner, message, verb, ends_at - loop.time() + ANSWER_S)
                except Unavailable:  # it has stopped, or is dead: look up the owner again
                    until = loop.time() + TAKEOVER_S
            if loop.time() > until:
                raise Unavailable(f"id: the master that drives {ask.id!r} does not answer; try again", field="id")
            await asyncio.sleep(AGAIN_S)
        return None

    async def _ask_while_alive(self, owner: str, message: PeerCall, verb: Verb[Any, Any], timeout_s: float) -> Message:
        """Ask the owner. Raises `Unavailable` as soon as it is no live peer any more: one that hangs never answers."""
        asking = asyncio.ensure_future(self._peers.ask(owner, "call", message, verb.gives, timeout_s))
        try:
            while not (await asyncio.wait({asking}, timeout=AGAIN_S))[0]:
                if owner not in self._peers.others:
                    raise Unavailable(f"id: the master {owner} that drives it is gone; try again", field="id")
            reply: Message = await asking
            return reply
        finally:
            await cancel_all(asking)

    async def _called(self, call: Call) -> Message:
        request = decode(call.body, PeerCall)
        binding = self._bindings[request.verb]
        reply: Message = await binding.answer(msgspec.convert(request.ask, binding.verb.takes), request.who)
        return reply

    async def _follow(self, call: Call, verb: Verb[Any, Any], proceed: Handler) -> Message | None:
        """Stream the stored states until this master owns the subject, or there is no owner; then pass the call on."""
        ask: Any = call.get(MESSAGE)
        binding, engine, loop = self._bindings[verb.name], self._engines[verb.area], asyncio.get_running_loop()
        until, sent = loop.time() + ask.wait_ms / 1000, None
        begin_waiting()
        while not engine.owns(ask.id) and loop.time() < until and await engine.owner_of(ask.id) is not None:
            record = await binding.answer(msgspec.structs.replace(ask, wait_ms=0), call.get(PRINCIPAL))
            if record != sent:
                await call.say(record)
                sent = record
            await until_next_look(LOOK_S, until - loop.time())
        left_ms = max(0, int((until - loop.time()) * 1000))
        call.put(MESSAGE, msgspec.structs.replace(ask, wait_ms=left_ms))
        return await proceed(call)
