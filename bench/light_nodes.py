"""Nodes that do nothing but answer: the rooms' own code for being let in, heard and asked, many of them in one process.

    python -m bench.light_nodes < SPEC

SPEC is a `Spec` as JSON. Each node joins the fleet with credentials of its own, as a child does, is heard, and answers
pings; beside it stands a node of the bare floor, where there is one. Says `ready`, and from then on a `Back` for each
node that was cut off and has been heard again.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog
import uvloop

from bench.bare import answer_bare
from bench.members import enrolled
from fleetfold_broker.bus import Bus
from fleetfold_broker.rpc.interceptors import drop_late_reply, skip_empty
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.scatter_responder import serve_node
from fleetfold_shared import __version__
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Heartbeat, Join, Joined, NodeDescription, Pong
from fleetfold_shared.verbs.node_requests import PING

__all__ = ["Back", "Spec", "Tries", "serve"]

JOIN_S = 10.0
HEARTBEAT_S = 4.0
AT_ONCE = 8
REASONS = {"nobody checks credentials": "unanswered", "refuses the credentials": "refused"}
"""How a connection says that it was not let in. All else is that nobody was there."""


class Spec(msgspec.Struct, frozen=True):
    """`tokens` are the nodes by name with their join tokens, which an insecure fleet needs none of.

    Their credentials are kept below `data`.
    """

    url: str
    data: str
    tokens: dict[str, str | None]
    floor: str | None = None


class Back(msgspec.Struct, frozen=True):
    """The broker has had a node's heartbeat over a new connection, `at` this machine's monotonic time.

    `failed` counts by reason what the nodes of this `process` have tried in vain since it began.
    """

    node: str
    process: int
    at: float
    failed: dict[str, int]


class Tries:
    """A processor of structlog's, which counts the failed tries that connections tell of. It prints what is worse."""

    def __init__(self) -> None:
        self.failed: Counter[str] = Counter()

    def __call__(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        if event["event"] == "connection.retry":
            self.failed[self._reason(event["reason"])] += 1
        if method not in {"warning", "error"} or event["event"].startswith("connection."):
            raise structlog.DropEvent
        return str(event)

    def _reason(self, text: str) -> str:
        return next((reason for words, reason in REASONS.items() if words in text), "nobody_there")


async def serve(spec: Spec) -> None:
    """Stand for the nodes until told to stop, heard together at each interval."""
    tries, gate = Tries(), asyncio.Semaphore(AT_ONCE)
    structlog.configure(processors=[tries], logger_factory=structlog.PrintLoggerFactory(sys.stderr))

    async def start(name: str) -> _LightNode:
        async with gate:
            node = _LightNode(name, spec, tries)
            await node.start()
            return node

    nodes = await asyncio.gather(*(start(name) for name in spec.tokens))
    floor = [await answer_bare(spec.floor) for _ in spec.tokens] if spec.floor else []  # noqa: F841 (they live on)
    print("ready", flush=True)
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        for node in nodes:
            with suppress(Unavailable):  # it is heard when it is back
                await node.say()


class _LightNode:
    """One of them. `bus` is there once it has started."""

    bus: Bus

    def __init__(self, name: str, spec: Spec, tries: Tries) -> None:
        self._name, self._spec, self._tries = name, spec, tries
        self._described = NodeDescription(incarnation="bench", version=__version__)
        self._seq = 0

    async def start(self) -> None:
        """Be let in, take the place, serve."""
        self.bus = await self._arrive()
        await self.bus.request(
            self.bus.subjects.api(self._name, "nodes.join"), Join(description=self._described), Joined, JOIN_S
        )
        service = RequestServer(
            self.bus, f"bench-{self._name}", version=__version__, interceptors=[skip_empty, drop_late_reply]
        )
        await serve_node(service, self.bus, self._name, {PING: self._pong})
        await self.say()
        await self.bus.connection.barrier()
        self.bus.connection.on_up(self._back)

    async def say(self) -> None:
        """Be heard."""
        self._seq += 1
        heartbeat = Heartbeat(seq=self._seq, description=self._described)
        await self.bus.publish(self.bus.subjects.heartbeat(self._name), heartbeat)

    async def _arrive(self) -> Bus:
        name, url, token = self._name, self._spec.url, self._spec.tokens[self._name]
        if token is None:
            return await Bus.connect(url, name)
        member = await enrolled(name, url, Path(self._spec.data), token)
        return await Bus.connect(url, name, credential=member)

    async def _pong(self, _: Call) -> Pong:
        return Pong(incarnation=self._described.incarnation)

    async def _back(self) -> None:
        await self.say()
        await self.bus.connection.barrier()
        back = Back(self._name, os.getpid(), time.monotonic(), dict(self._tries.failed))
        print(msgspec.json.encode(back).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(msgspec.json.decode(sys.stdin.readline(), type=Spec)))
