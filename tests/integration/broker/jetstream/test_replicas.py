"""Streams on a cluster of three servers: a fleet moves from one copy to three, and keeps what is queued."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.jetstream.topology import COMMANDS, Topology
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.messages import Command
from support.broker import jetstream, queued
from support.nats_cluster import NatsCluster
from support.wait import eventually

pytestmark = pytest.mark.dear


@pytest.fixture
async def keys() -> BrokerKeys:
    return BrokerKeys.generate()


@pytest.fixture
async def cluster(nats_server: str, tmp_path: Path, keys: BrokerKeys) -> AsyncIterator[NatsCluster]:
    cluster = NatsCluster(nats_server, tmp_path, keys)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.close()


@pytest.mark.long
async def test_a_master_that_wants_three_copies_makes_them_of_the_streams_that_exist(
    cluster: NatsCluster, keys: BrokerKeys
) -> None:
    options = ConnectionOptions(url=cluster.url, caller="master", seed=keys.fleet)
    async with await Bus.open(options) as master:
        before = Topology(master)
        await before.ensure_streams()
        await before.ensure_node("shop", 4)
        await master.publish_durably("fleet.cmd.shop", Command(id="a", attempt=1, action="x"), "a#1")
        assert not await Topology(master, LimitsConfig(replicas=3)).ensure_streams()
        await eventually(cluster.complete)
        assert await queued(master, COMMANDS) == 1

        async def copied() -> bool:
            consumer = await jetstream(master, f"CONSUMER.INFO.{COMMANDS}.shop")
            return len(consumer.get("cluster", {}).get("replicas", [])) == 2

        await eventually(copied)
