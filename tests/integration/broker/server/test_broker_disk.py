"""The embedded broker's disk is full for a while: nothing is stored meanwhile; all goes on when there is room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream.topology import Topology
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import Command
from support.broker import kill
from support.small_disk import fill_disk, mounted_disk
from support.wait import eventually

pytestmark = pytest.mark.dear

LARGE = {"text": "x" * 50_000}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "disk", 32 * 1024**2) as place:
        yield place


@pytest.fixture
async def broker(nats_server: str, disk: Path) -> AsyncIterator[EmbeddedBroker]:
    """A broker whose store is on a small disk; used by `master`."""
    broker = EmbeddedBroker(disk / "broker")
    await broker.start()
    yield broker
    await broker.stop()


async def _store(bus: Bus, number: int, timeout_s: float = 60.0) -> None:
    command = Command(id=f"c{number}", attempt=1, action="x", params=LARGE)
    await bus.publish_durably(bus.subjects.command("shop"), command, f"c{number}#1", timeout_s)


async def _fill_until_it_refuses(master: Bus, disk: Path) -> Path:
    await Topology(master).ensure_streams()
    await _store(master, 0)
    filler = fill_disk(disk)
    refused = [await _is_refused(master, number) for number in range(1, 4)]  # the first may still find room in a block
    assert refused[-1]
    return filler


async def _is_refused(master: Bus, number: int) -> bool:
    try:
        await _store(master, number, timeout_s=0.5)
    except Unavailable:
        return True
    return False


async def test_publishing_goes_on_when_there_is_room_again(broker: EmbeddedBroker, master: Bus, disk: Path) -> None:
    filler = await _fill_until_it_refuses(master, disk)
    filler.unlink()
    await _store(master, 10)
    assert broker.restarts == 1


async def test_a_server_that_starts_on_a_full_disk_stores_as_soon_as_there_is_room(
    broker: EmbeddedBroker, master: Bus, disk: Path
) -> None:
    filler = await _fill_until_it_refuses(master, disk)
    kill(broker)
    await eventually(lambda: broker.restarts >= 1)
    filler.unlink()
    await _store(master, 10)
