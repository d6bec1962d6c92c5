"""A damaged store of the broker: an embedded server starts without it; masters make again what they cannot read."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream.topology import Topology
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Command
from support.broker import queued
from support.wait import eventually

Damage = Callable[[Path], None]


@asynccontextmanager
async def started(place: Path) -> AsyncIterator[tuple[EmbeddedBroker, Bus]]:
    broker = EmbeddedBroker(place)
    await broker.start()
    try:
        async with await Bus.connect(broker.url, "master", patient=True) as bus:
            yield broker, bus
    finally:
        await broker.stop()


@pytest.fixture
async def store(nats_server: str, tmp_path: Path) -> Path:
    """A stopped broker's folder, with a node's consumer and a command in its store."""
    async with started(tmp_path / "broker") as (_, bus):
        await Topology(bus).ensure_streams()
        await Topology(bus).ensure_node("shop", 4)
        await put(bus, 1)
    return tmp_path / "broker"


async def put(bus: Bus, number: int) -> None:
    await bus.publish_durably(bus.subjects.command("shop"), Command(id=f"c{number}", attempt=1, action="x"), None, 30.0)


async def makes_streams(bus: Bus) -> bool:
    try:
        await Topology(bus).ensure_streams()
    except Unavailable:
        return False
    return True


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def files(place: Path, name: str) -> list[Path]:
    found = [path for path in (place / "jetstream").rglob(name) if path.is_file()]
    assert found
    return found


@pytest.mark.parametrize("consumer", ["masters", "shop"])
async def test_the_stream_of_a_damaged_consumer_is_made_again(store: Path, consumer: str) -> None:
    for file in files(store, "o.dat"):
        if file.parent.name == consumer:
            halve(file) if file.stat().st_size > 1 else file.write_bytes(b"\xde\xad" * 20)
    async with started(store) as (broker, bus):
        topology = Topology(bus)
        with capture_logs() as said:
            await topology.ensure_streams()
            await topology.ensure_nodes({"shop": 4})
        assert "topology.stream_damaged" in [one["event"] for one in said]
        with capture_logs() as again:
            lost = await topology.ensure_streams()
            await topology.ensure_nodes({"shop": 4})
        assert lost == (consumer == "shop")  # told once, so that its commands are sent again
        assert "topology.stream_damaged" not in [one["event"] for one in again]
        before = await queued(bus, "FLEET_CMD")
        await put(bus, 2)
        assert (await queued(bus, "FLEET_CMD"), broker.restarts) == (before + 1, 0)


async def test_a_stream_that_cannot_be_recovered_is_quarantined_with_the_store(store: Path) -> None:
    for file in files(store, "meta.inf"):
        halve(file)
    with capture_logs() as said:
        async with started(store) as (broker, bus):
            await eventually(lambda: any(one["event"] == "broker.store_damaged" for one in said))
            await eventually(lambda: makes_streams(bus))
            await put(bus, 2)
            assert (await queued(bus, "FLEET_CMD"), broker.restarts) == (1, 1)
    assert [one["event"] for one in said].count("broker.store_damaged") == 1
    assert list(store.glob("jetstream.damaged-*"))  # noqa: ASYNC240  # a folder of the test


def in_the_way(store: Path) -> None:
    shutil.rmtree(store / "jetstream")
    (store / "jetstream").write_bytes(b"x")


def gone(store: Path) -> None:
    shutil.rmtree(store / "jetstream")


def configuration(store: Path) -> None:
    (store / "nats-server.conf").write_bytes(b"\xde\xad" * 50)


@pytest.mark.parametrize("damage", [in_the_way, gone, configuration])
async def test_the_broker_starts_whatever_became_of_its_folder(store: Path, damage: Damage) -> None:
    damage(store)
    async with started(store) as (_, bus):
        await Topology(bus).ensure_streams()
        await put(bus, 2)


async def test_streams_left_by_another_configuration_cost_no_restart(store: Path) -> None:
    (store / "jetstream" / "OTHER" / "streams" / "S").mkdir(parents=True)
    async with started(store) as (broker, _):
        assert await broker._monitor.failure() is None
