"""A fleet on a cluster of three nats-servers, of which any one dies, freezes or loses its disk: what was accepted is
done, once. How long it stalls is printed, not promised.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from time import monotonic

import pytest

from fleetfold.client import Client
from fleetfold_broker.identity import BrokerKeys
from fleetfold_shared.errors import FleetfoldError
from support.effort import effort
from support.fleet import Fleet, running_fleet
from support.nats_cluster import NatsCluster
from support.steady_work import WAIT_S, Work
from support.storm import CHILDREN
from support.wait import eventually

EACH_TIME = 60
"""So many jobs end before and after each blow."""
Blow = Callable[[NatsCluster], Awaitable[None]]


@pytest.fixture
async def cluster(nats_server: str, tmp_path: Path) -> AsyncIterator[NatsCluster]:
    keys = await asyncio.to_thread(BrokerKeys.load, tmp_path / "keys", {})
    cluster = NatsCluster(nats_server, tmp_path, keys)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.close()


@pytest.fixture
async def fleet(cluster: NatsCluster, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Two masters and three children, all with the URLs of all servers."""
    async with running_fleet(tmp_path) as fleet:
        env = {**os.environ, "FLEETFOLD_URL": cluster.url, "FLEETFOLD_LIMITS_REPLICAS": "3"}
        database = f"sqlite:///{tmp_path}/master/master.db"
        keys = ["--keys", str(tmp_path / "keys")]
        await fleet.start("master", "master", "--data", str(tmp_path / "master"), *keys, env=env)
        await fleet.start(
            "second", "master", "--data", str(tmp_path / "second"), "--database", database, *keys, env=env
        )
        actions = ["--actions", "support.books:ACTIONS"]
        await asyncio.gather(*(fleet.start(name, "child", "--name", name, *actions, env=env) for name in CHILDREN))
        yield fleet


async def _leader_killed(cluster: NatsCluster) -> None:
    leader = await cluster.leader()
    await cluster.kill(leader)
    await cluster.start(leader)


async def _minority_cut_off(cluster: NatsCluster) -> None:
    leader = await cluster.leader()
    cluster.freeze(leader)
    await eventually(cluster_moved(cluster, leader))
    cluster.thaw(leader)


async def _disk_lost(cluster: NatsCluster) -> None:
    leader = await cluster.leader()
    await cluster.kill(leader)
    cluster.wipe(leader)
    await cluster.start(leader)


def cluster_moved(cluster: NatsCluster, before: str) -> Callable[[], Awaitable[bool]]:
    """Whether another server leads."""

    async def moved() -> bool:
        try:
            return await cluster.leader() not in {before, ""}
        except FleetfoldError:
            return False

    return moved


BLOWS: dict[str, Blow] = {
    "the leader is killed": _leader_killed,
    "a minority is cut off": _minority_cut_off,
    "a server loses its disk": _disk_lost,
}


@pytest.mark.timeout(600)
async def test_nothing_that_was_accepted_is_lost_or_done_twice_whichever_server_fails(
    cluster: NatsCluster, fleet: Fleet
) -> None:
    await eventually(cluster.complete)
    async with await Client.connect(cluster.url, name="tester") as client, Work(client) as work:
        for name, blow in BLOWS.items():
            await work.more(EACH_TIME)
            since = monotonic()
            await blow(cluster)
            await work.more(effort(EACH_TIME))
            await eventually(cluster.complete, WAIT_S)
            print(f"{name}: nothing ended for {work.stall_s(since):.1f} s")  # noqa: T201 (measured, not asserted)
    work.check(fleet)
