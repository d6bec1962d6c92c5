"""A connection with the URLs of several servers: it uses one that answers, and says why when none does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.errors import InvalidInput, Unavailable
from support.listener import listening
from support.wait import eventually

TRIES = 12
"""So many connections surely try a dead server first in some: the order is random."""


@pytest.fixture
async def second(nats_server: str, tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "second")
    await broker.start()
    yield broker
    await broker.stop()


async def _say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_server_that_is_away_is_passed_over(broker: EmbeddedBroker) -> None:
    for _ in range(TRIES):
        async with await Bus.connect(f"nats://127.0.0.1:1,{broker.url}", "shop") as bus:
            assert bus.connection.is_up


async def test_a_server_that_accepts_and_says_nothing_is_passed_over(broker: EmbeddedBroker) -> None:
    """As a frozen one does, for which the kernel accepts."""
    async with listening(_say_nothing) as port:
        for _ in range(TRIES):
            options = ConnectionOptions(
                url=f"nats://127.0.0.1:{port},{broker.url}", caller="shop", connect_timeout_s=0.1
            )
            async with await Bus.open(options) as bus:
                assert bus.connection.is_up


async def test_when_its_server_dies_the_connection_moves_to_another(
    broker: EmbeddedBroker, second: EmbeddedBroker
) -> None:
    servers = {broker.port: broker, second.port: second}
    async with await Bus.connect(f"{broker.url},{second.url}", "shop") as bus:
        used = servers.pop(bus.connection.client.connected_url.port)  # type: ignore[union-attr]
        await used.stop()
        await eventually(lambda: bus.connection.reconnects > 0 and bus.connection.is_up)
        assert bus.connection.client.connected_url.port in servers  # type: ignore[union-attr]


async def test_when_none_answers_the_error_names_them_all(broker: EmbeddedBroker) -> None:
    with pytest.raises(Unavailable, match=r"none of the brokers answers at nats://127.0.0.1:1,nats://127.0.0.1:2;"):
        await Bus.connect("nats://127.0.0.1:1,nats://127.0.0.1:2", "shop")


async def test_a_wrong_url_is_refused_at_once(broker: EmbeddedBroker) -> None:
    with pytest.raises(InvalidInput, match="url: 'http://b' is no address of a broker"):
        await Bus.connect(f"{broker.url},http://b", "shop")
