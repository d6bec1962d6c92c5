"""A real broker for a test, and what a test does with it: connect, serve, kill it, look into its streams."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.rpc.pipeline import Handler
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.scatter_responder import Verb, serve_node
from fleetfold_broker.server.embedded import EmbeddedBroker
from support.wait import eventually

__all__ = [
    "Connect",
    "Respond",
    "ServeNode",
    "broker",
    "connect",
    "emptied",
    "jetstream",
    "kill",
    "listen",
    "master",
    "queued",
    "respond",
    "serve",
]


class Connect(Protocol):
    """`await connect(caller)`: a bus that the fixture closes."""

    def __call__(self, caller: str) -> Awaitable[Bus]: ...


class ServeNode(Protocol):
    """`await serve(bus, node, verb=handler, ...)`: a node's service that the fixture stops."""

    def __call__(self, bus: Bus, node: str, /, **verbs: Verb) -> Awaitable[RequestServer]: ...


class Respond(Protocol):
    """`await respond(bus, subject, handler)`: a service for `subject` that answers to any inbox."""

    def __call__(self, bus: Bus, subject: str, handler: Handler, /) -> Awaitable[RequestServer]: ...


@pytest.fixture
async def broker(nats_server: str, tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    """An embedded broker with a store of its own."""
    broker = EmbeddedBroker(tmp_path / "broker")
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def connect(broker: EmbeddedBroker) -> AsyncIterator[Connect]:
    """Opens buses to `broker`."""
    buses: list[Bus] = []

    async def connect(caller: str) -> Bus:
        buses.append(await Bus.connect(broker.url, caller))
        return buses[-1]

    yield connect
    for bus in reversed(buses):
        await bus.close()


@pytest.fixture
async def master(connect: Connect) -> Bus:
    """The bus of a master."""
    return await connect("master")


@pytest.fixture
async def serve(connect: Connect) -> AsyncIterator[ServeNode]:
    """Serves nodes; depends on `connect` so that services stop before their buses close."""
    services: list[RequestServer] = []

    async def serve(bus: Bus, node: str, /, **verbs: Verb) -> RequestServer:
        services.append(RequestServer(bus, f"fleetfold-{node}", version="1.2.3"))
        await serve_node(services[-1], bus, node, verbs)
        await bus.link.barrier()
        return services[-1]

    yield serve
    for service in services:
        await service.stop(grace_s=0)


@pytest.fixture
async def respond(connect: Connect) -> AsyncIterator[Respond]:
    """Answers requests; depends on `connect` so that services stop before their buses close."""
    services: list[RequestServer] = []

    async def respond(bus: Bus, subject: str, handler: Handler, /) -> RequestServer:
        services.append(RequestServer(bus, "responder", version="1.2.3"))
        await services[-1].serve("respond", subject, handler, queue=bus.caller)
        await bus.link.barrier()
        return services[-1]

    yield respond
    for service in services:
        await service.stop(grace_s=0)


def kill(broker: EmbeddedBroker) -> None:
    """kill -9 of the server; its owner starts it again."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)


async def listen(bus: Bus, subject: str) -> list[Incoming]:
    """A list that fills with what is said on `subject`; surely from now on."""
    heard: list[Incoming] = []

    async def hear(message: Incoming) -> None:
        heard.append(message)

    await bus.subscribe(subject, hear)
    await bus.link.barrier()
    return heard


async def jetstream(bus: Bus, api: str, **body: Any) -> dict[str, Any]:
    """One call of JetStream's own API, past all that is under test."""
    answer = await bus.ask(f"$JS.API.{api}", msgspec.json.encode(body), 5.0)
    reply: dict[str, Any] = msgspec.json.decode(answer.data)
    assert "error" not in reply, reply["error"]
    return reply


async def queued(bus: Bus, stream: str) -> int:
    """How many messages a stream holds."""
    state = (await jetstream(bus, f"STREAM.INFO.{stream}"))["state"]
    return int(state["messages"])


async def emptied(bus: Bus, stream: str, left: int = 0) -> None:
    """Return when a work queue's messages have been acked or terminated, all of them but so many."""

    async def empty() -> bool:
        return await queued(bus, stream) == left

    await eventually(empty)
