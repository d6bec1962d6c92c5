"""What the broker package relies on in nats-py's private parts, one test for each: an upgrade that changes one fails by
its name. The version is pinned to the minor one that these hold for.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import tomllib
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.aio.transport import Transport

from fleetfold_broker.connection import nats_connection
from fleetfold_broker.connection.nats_connection import NatsConnection
from fleetfold_broker.connection.transport import NatsTransport
from fleetfold_broker.server.embedded import EmbeddedBroker

PYPROJECT = Path(__file__).parents[4] / "pyproject.toml"
OVERRIDES = ["_process_connect_init", "_parse_header_lines", "_process_pong", "_close"]


@pytest.fixture
async def plain(broker: EmbeddedBroker) -> AsyncIterator[Client]:
    """A connection of nats-py's own, without anything of ours."""
    client = Client()
    await client.connect(broker.url, allow_reconnect=False)
    yield client
    await client.close()


@pytest.fixture
async def ours(broker: EmbeddedBroker) -> AsyncIterator[NatsConnection]:
    """The same with our overrides."""
    client = NatsConnection()
    await client.connect(broker.url, allow_reconnect=False)
    yield client
    await client.close()


class Calls:
    """Counts the calls of one method of an object or class, and lets them through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self.arguments: list[tuple[Any, ...]] = []
        original = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.arguments.append(args)
            return original(*args, **kwargs)

        static = isinstance(inspect.getattr_static(owner, name), staticmethod)
        monkeypatch.setattr(owner, name, staticmethod(counted) if static else counted)


async def settled(client: Client) -> None:
    """The server has processed all that was sent: the pong of the connecting may answer the first flush."""
    for _ in range(2):
        await client.flush(30)


def test_every_private_part_that_is_used_is_named_here() -> None:
    tree = ast.parse(inspect.getsource(nats_connection))
    used = {one.attr for one in ast.walk(tree) if isinstance(one, ast.Attribute)} | {
        one.name for one in ast.walk(tree) if isinstance(one, ast.AsyncFunctionDef | ast.FunctionDef)
    }
    theirs = dir(Client) + list(vars(Client())) + list(Subscription.__init__.__code__.co_names)
    private = {name for name in used.intersection(theirs) if name.startswith("_") and not name.startswith("__")}
    assert private <= set(re.findall(r"\b_\w+", Path(__file__).read_text()))
    assert private >= {"_transport", "_subs", "_id", "_pending_queue", *OVERRIDES}


def test_nats_py_is_pinned_to_the_minor_version_that_is_installed() -> None:
    dependencies = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    [pinned] = [one for one in dependencies if one.startswith("nats-py")]
    major, minor = (int(part) for part in version("nats-py").split(".")[:2])
    assert pinned == f"nats-py[nkeys]>={major}.{minor},<{major}.{minor + 1}"


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_overridden_method_has_the_signature_of_ours(name: str) -> None:
    def parameters(owner: type) -> list[tuple[str, Any]]:
        found = inspect.signature(getattr(owner, name)).parameters.values()
        return [(one.name, one.default) for one in found]

    assert parameters(NatsConnection) == parameters(Client)
    assert inspect.iscoroutinefunction(getattr(Client, name)) == inspect.iscoroutinefunction(
        getattr(NatsConnection, name)
    )
    kinds = [type(inspect.getattr_static(owner, name)) for owner in (Client, NatsConnection)]
    assert kinds[0] is kinds[1]


@pytest.mark.parametrize("name", sorted(Transport.__abstractmethods__))
def test_our_transport_takes_what_nats_pys_is_given(name: str) -> None:
    theirs, own = (inspect.signature(getattr(owner, name)).parameters for owner in (Transport, NatsTransport))
    assert list(theirs) == list(own)
    assert inspect.iscoroutinefunction(getattr(NatsTransport, name)) == inspect.iscoroutinefunction(
        getattr(Transport, name)
    )


async def test_a_transport_that_is_there_is_used_and_not_replaced(ours: NatsConnection) -> None:
    assert isinstance(ours._transport, NatsTransport)


async def test_connecting_goes_through_process_connect_init_and_reads_lines(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, lines = Calls(monkeypatch, Client, "_process_connect_init"), Calls(monkeypatch, NatsTransport, "readline")
    client = NatsConnection()
    await client.connect(broker.url, allow_reconnect=False)
    assert (len(began.arguments), len(lines.arguments)) == (1, 2)  # INFO, and the answer to CONNECT
    await client.close()


async def test_the_headers_of_a_message_go_through_parse_header_lines(
    ours: NatsConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = Calls(monkeypatch, NatsConnection, "_parse_header_lines")
    subscription = await ours.subscribe("greeting")
    await ours.publish("greeting", b"", headers={"Colour": "red"})
    assert (await subscription.next_msg(timeout=30)).headers == {"Colour": "red"}
    assert len(parsed.arguments) == 1


async def test_the_greeting_of_the_server_is_kept_in_server_info(plain: Client, ours: NatsConnection) -> None:
    assert plain._server_info["server_id"] == ours._server_info["server_id"]
    assert not ours.asked_for_credentials


async def test_a_flush_waits_in_pongs_until_process_pong(plain: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = list[int]()
    original: Callable[[], Any] = plain._process_pong

    async def pong() -> None:
        waiting.append(len(plain._pongs))
        await original()

    monkeypatch.setattr(plain, "_process_pong", pong)
    await plain.flush(30)
    assert (waiting, plain._pongs) == ([1], [])


async def test_what_is_published_waits_in_pending_until_the_flusher_takes_it(plain: Client) -> None:
    await plain.publish("greeting", b"hello")
    assert b"hello" in b"".join(plain._pending)
    assert plain._pending_data_size == sum(map(len, plain._pending))
    await plain.flush(30)
    assert (plain._pending, plain._pending_data_size) == ([], 0)


async def test_who_waits_for_room_to_send_waits_for_a_future_in_the_flush_queue(plain: Client) -> None:
    assert plain._flusher_task is not None
    assert isinstance(plain._flush_queue, asyncio.Queue)
    await plain._flush_pending()
    assert not plain._flush_queue.get_nowait().done()  # the flusher has not had its turn yet


async def test_close_ends_in_close_with_the_status_closed(plain: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Calls(monkeypatch, plain, "_close")
    await plain.close()
    assert closed.arguments == [(Client.CLOSED,)]
    assert plain._status == Client.CLOSED
    assert plain.is_closed


async def test_close_returns_at_once_when_the_status_is_closed_already(plain: Client) -> None:
    told = list[str]()

    async def closed() -> None:
        told.append("closed")

    await plain.close()
    plain._closed_cb = closed
    await plain._close(Client.CLOSED)
    assert told == []
    plain._status = Client.DISCONNECTED  # so it runs anew, as our `_close` needs it
    await plain._close(Client.CLOSED)
    assert told == ["closed"]


async def test_a_subscription_stands_in_subs_under_its_id_and_queues_what_came(plain: Client) -> None:
    subscription = await plain.subscribe("greeting")
    assert list(plain._subs.items()) == [(subscription._id, subscription)]
    await plain.publish("greeting", b"hello")
    await settled(plain)
    assert isinstance(subscription._pending_queue, asyncio.Queue)
    assert subscription._pending_queue.qsize() == 1


async def test_send_unsubscribe_tells_the_server_and_forgets_nothing_here(plain: Client) -> None:
    heard = list[bytes]()

    async def hear(message: Any) -> None:
        heard.append(message.data)

    subscription: Subscription = await plain.subscribe("greeting", cb=hear)
    await plain.publish("greeting", b"before")
    await plain._send_unsubscribe(subscription._id)
    await plain.publish("greeting", b"after")
    await settled(plain)
    await subscription._pending_queue.join()
    assert heard == [b"before"]
    assert subscription._id in plain._subs
