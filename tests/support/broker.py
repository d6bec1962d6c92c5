"""A real broker for a test, and what a test does with it: connect, serve, kill it, look into its streams."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.jetstream.command_decoding import COMMAND, decode_command
from fleetfold_broker.jetstream.delivery_acks import DeliveryAcks, age_s
from fleetfold_broker.jetstream.push_consumer import PushConsumer
from fleetfold_broker.rpc.interceptors import drop_late_reply, skip_empty
from fleetfold_broker.rpc.pipeline import Call, Handler, compose
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.rpc.scatter_responder import serve_node
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.messages import Command
from fleetfold_shared.verbs.node_requests import NODE_VERBS
from support.wait import eventually

__all__ = [
    "Connect",
    "Execute",
    "Respond",
    "ServeNode",
    "broker",
    "command_consumer",
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

    def __call__(self, bus: Bus, node: str, /, **verbs: Handler) -> Awaitable[RequestServer]: ...


Execute = Callable[[Command, float], Awaitable[None]]
"""Runs a command, given its age in seconds."""


def command_consumer(bus: Bus, node: str, execute: Execute) -> PushConsumer:
    """The consumer of a node's commands, with the steps that every delivery needs, and no seals."""
    acks = DeliveryAcks(bus, node)

    async def run(call: Call) -> None:
        await execute(call.get(COMMAND), age_s(call))

    return PushConsumer(bus, node, compose([acks.terminate_unreadable, decode_command, acks.hold], run), acks)


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

    async def serve(bus: Bus, node: str, /, **verbs: Handler) -> RequestServer:
        service = RequestServer(bus, f"fleetfold-{node}", version="1.2.3", interceptors=[skip_empty, drop_late_reply])
        services.append(service)
        await serve_node(service, bus, node, {NODE_VERBS[name]: handler for name, handler in verbs.items()})
        await bus.connection.barrier()
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
        await bus.connection.barrier()
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

    await bus.connection.subscribe(subject, hear)
    await bus.connection.barrier()
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
