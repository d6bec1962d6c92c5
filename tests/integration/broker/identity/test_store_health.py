"""The broker's full disk, as a master hears of it by the system account: told once, and told again when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.store_health import StoreHealth
from fleetfold_broker.jetstream.topology import Topology
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Command
from support.small_disk import fill_disk, mounted_disk
from support.wait import eventually

pytestmark = pytest.mark.dear

LARGE = {"text": "x" * 50_000}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "disk", 32 * 1024**2) as place:
        yield place


async def _refused(bus: Bus, number: int) -> bool:
    command = Command(id=f"c{number}", attempt=1, action="x", params=LARGE)
    try:
        await bus.publish_durably(bus.subjects.command("shop"), command, None, 0.5)
    except Unavailable:
        return True
    return False


async def test_a_full_disk_is_told_with_its_time_and_its_end(nats_server: str, disk: Path, tmp_path: Path) -> None:
    keys = BrokerKeys.load(tmp_path / "keys", {})
    broker = EmbeddedBroker(disk / "broker", identity=keys.public)
    await broker.start()
    fleet = await Bus.open(ConnectionOptions(url=broker.url, caller="master", seed=keys.fleet))
    servers = await Bus.open(ConnectionOptions(url=broker.url, caller="master", seed=keys.sys))
    health = StoreHealth(servers)

    async def looks(failing: bool) -> bool:
        try:
            await health.look()
        except Unavailable:  # the server is started again
            return False
        return bool(health.failure) == failing

    try:
        await Topology(fleet).ensure_streams()
        await health.look()
        assert (health.failure, health.since) == ("", None)
        filler = fill_disk(disk)
        assert [await _refused(fleet, number) for number in range(3)][-1]
        with capture_logs() as said:
            await eventually(lambda: looks(failing=True))
            assert health.failure.startswith("its disk is full (")
            assert health.since is not None
            await health.look()
            filler.unlink()
            await eventually(lambda: looks(failing=False))
        told = [one["event"] for one in said if one["event"].startswith("broker.") and "store" in one["event"]]
        assert told == ["broker.does_not_store", "broker.stores_again"]
        assert not await _refused(fleet, 9)
    finally:
        await servers.close()
        await fleet.close()
        await broker.stop()
