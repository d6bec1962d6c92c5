"""Service discovery after NATS ADR-32: masters answer `$SRV.PING`, `.INFO` and `.STATS` for themselves and the nodes.

Nodes neither receive `$SRV` nor answer it. A master requests their statistics and builds the entry, so the name in it
is the authenticated one, and no node can direct a reply to an inbox of its choice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Collection

from fleetfold_broker.bus import Bus
from fleetfold_broker.rpc.introspection import Introspection
from fleetfold_broker.rpc.scatter import ScatterClient, ScatterReply
from fleetfold_broker.rpc.verified_discovery import VerifiedDiscovery
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.authorizer import Authorizer
from fleetfold_master.access.rate_limits import Limits
from fleetfold_shared.concurrency import BackgroundTasks
from fleetfold_shared.credential_format import fingerprint
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import NodeList, ServiceCounters, decode, encode

__all__ = ["NODE_SERVICE", "Discovery"]

NODE_SERVICE = "fleetfold-node-"
"""Prefix of a node's service name."""
ASKED_WITHIN_S = 1.0
LOOKS_AT_ONCE = 8
MOST_CHARS = 200


class Discovery:
    """Answers for one master. `own` is its entry, `nodes` returns the names of the fleet's nodes, `masters` the ids of
    all live masters, this one first: one of them answers for the nodes."""

    def __init__(
        self, bus: Bus, gatherer: ScatterClient, own: Introspection, authorizer: Authorizer, limits: Limits,
        nodes: Callable[[], Collection[str]], masters: Callable[[], tuple[str, ...]], *, identified: bool,
    ) -> None:  # fmt: skip
        self._bus, self._gatherer, self._own = bus, gatherer, own
        self._authorizer, self._limits, self._nodes, self._masters = authorizer, limits, nodes, masters
        self._requests = VerifiedDiscovery(bus, self._asked, identified=identified)
        self._tasks = BackgroundTasks()
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def start(self) -> None:
        """Subscribe and answer."""
        await self._requests.start()

    async def stop(self) -> None:
        """Unsubscribe; unanswered requests are dropped."""
        await self._tasks.cancel()

    def _asked(self, caller: str, subject: str, reply: str) -> None:
        self._tasks.spawn(self._answer(caller, subject, reply))

    async def _answer(self, caller: str, subject: str, reply: str) -> None:
        with contextlib.suppress(FleetfoldError):  # callers without permission, or over their rate, get no answer
            if not self._authorizer.knows(caller):
                await self._authorizer.look_again()
            principal = self._authorizer.principal(caller)
            if self._limits.take(caller, principal.role).retry_after_s is not None:
                return
            await self._say(self._own, subject, reply)
            if self._is_for_me(reply):
                names = principal.narrow(name for name in self._nodes() if _may_mean(subject, name))
                await self._tell_of(names, subject, reply)

    async def _tell_of(self, names: Collection[str], subject: str, reply: str) -> None:
        """Request the nodes' entries and publish each as it comes: clients stop waiting shortly after the first one."""

        def take(node: str, answer: ScatterReply) -> bool:
            self._tasks.spawn(self._pass_on(node, answer, subject, reply))
            return len(round_.answers) == len(round_.asked)

        async with self._looks:
            with self._gatherer.round("figures", take) as round_:
                await round_.ask(names, encode(NodeList()), ASKED_WITHIN_S, broadcast=False)
                if names:
                    await round_.wait(ASKED_WITHIN_S)

    async def _pass_on(self, node: str, answer: ScatterReply, subject: str, reply: str) -> None:
        with contextlib.suppress(FleetfoldError):  # an entry that cannot be decoded is omitted
            if answer.error is None:
                await self._say(_entry(node, decode(answer.data, ServiceCounters), self._bus.subjects), subject, reply)

    async def _say(self, entry: Introspection, subject: str, reply: str) -> None:
        if (body := entry.answer(subject)) is not None:
            await self._bus.connection.publish(reply, body)

    def _is_for_me(self, reply: str) -> bool:
        """Whether this master answers for the nodes. All masters pick the same one, by a hash of the reply inbox."""
        me, *others = self._masters()
        return all(_rank(me, reply) <= _rank(other, reply) for other in others)


def _entry(node: str, counters: ServiceCounters, subjects: Subjects) -> Introspection:
    """A node's entry: name, id and subjects from its authenticated name, statistics as the node reports them."""
    entry = Introspection(
        f"{NODE_SERVICE}{node}", counters.version, id=f"{node}-{fingerprint(counters.incarnation)}",
        started=counters.started,
    )  # fmt: skip
    for each in counters.endpoints:
        verb = each.name.removeprefix("ask-")
        stats = entry.add(each.name, subjects.call(node, verb) if verb == each.name else subjects.ask(verb), node)
        stats.report(each.requests, each.errors, each.nanoseconds, each.last_error[:MOST_CHARS])
    return entry


def _may_mean(subject: str, node: str) -> bool:
    """Whether `$SRV.<verb>`, perhaps followed by a service's name, addresses this node."""
    named = subject.split(".")[2:3]
    return not named or named[0] == f"{NODE_SERVICE}{node}"


def _rank(master: str, reply: str) -> bytes:
    return hashlib.sha256(f"{master} {reply}".encode()).digest()
