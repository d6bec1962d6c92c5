"""Supervision of an embedded server: when it is started again, and what is said of its disk."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fleetfold_broker.disk_space import DiskSpace
from fleetfold_broker.server.store_monitor import StoreMonitor
from fleetfold_broker.server.supervision import SILENT_S, Supervision
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Unavailable
from support.wait import eventually

GIB = 1024**3
ENOUGH, LOW, FULL = DiskSpace(50 * GIB, 100 * GIB), DiskSpace(GIB // 2, 100 * GIB), DiskSpace(0, 100 * GIB)


class Server:
    """A process that runs until it is told to end."""

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self.stopped = False

    async def ended(self, within_s: float) -> bool:
        await asyncio.sleep(0)
        return self.exit_code is not None

    async def stop(self) -> None:
        self.stopped = True


class Machine:
    """A disk and a monitoring endpoint, both made up, and the servers that were started on it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.disk = ENOUGH
        self.answer: str | Exception | None = None
        self.answers: list[str | None] = []
        self.refuses: Exception | None = None
        self.looks = 0
        self.servers: list[Server] = []
        self.quarantined: list[str] = []
        self.supervision = Supervision(self.spawn, self, self, self.clock)  # type: ignore[arg-type]  # made up

    async def spawn(self) -> Any:
        if self.refuses:
            raise self.refuses
        self.servers.append(Server())
        return self.servers[-1]

    def space(self) -> DiskSpace:
        return self.disk

    def move(self, reason: str) -> bool:
        self.quarantined.append(reason)
        self.refuses = None
        return True

    async def failure(self) -> str | None:
        self.looks += 1
        if self.answers:
            return self.answers.pop(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def look_some_times(self) -> None:
        """Wait until the server was looked at three times more."""
        until = self.looks + 3
        await eventually(lambda: self.looks >= until)

    async def wait_out_the_delay(self, servers: int) -> None:
        await eventually(lambda: self.clock.sleepers > 0)
        self.answer = None
        self.clock.advance(60)
        await eventually(lambda: len(self.servers) == servers)


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    machine = Machine()
    await machine.supervision.start()
    task = asyncio.create_task(machine.supervision.run())
    yield machine
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_server_that_ends_is_started_again(machine: Machine) -> None:
    machine.servers[0].exit_code = -9
    await machine.wait_out_the_delay(2)
    assert machine.supervision.restarts == 1


async def test_a_refused_write_ends_with_a_restart_as_soon_as_there_is_room(machine: Machine) -> None:
    machine.disk, machine.answer = FULL, "write error: no space left on device"
    await machine.look_some_times()
    assert len(machine.servers) == 1  # a restart would not help
    machine.disk = ENOUGH
    await machine.wait_out_the_delay(2)
    assert machine.servers[0].stopped


async def test_a_server_that_stores_is_left_alone_on_a_full_disk(machine: Machine) -> None:
    machine.disk = FULL
    await machine.look_some_times()
    machine.disk = ENOUGH
    await machine.look_some_times()
    assert len(machine.servers) == 1


async def test_a_silent_server_is_started_again_after_a_while(machine: Machine) -> None:
    machine.answer = TimeoutError()
    await machine.look_some_times()
    machine.clock.advance(SILENT_S - 0.1)
    await machine.look_some_times()
    assert len(machine.servers) == 1
    machine.clock.advance(0.2)
    await machine.wait_out_the_delay(2)


@pytest.mark.parametrize("refusal", [Unavailable("ended with code 1"), OSError(28, "No space left on device")])
async def test_a_start_that_fails_is_repeated(machine: Machine, refusal: Exception) -> None:
    machine.refuses, machine.servers[0].exit_code = refusal, 1
    for _ in range(3):
        await eventually(lambda: machine.clock.sleepers > 0)
        machine.clock.advance(60)
        await asyncio.sleep(0)
    machine.refuses = None
    await machine.wait_out_the_delay(2)
    assert machine.supervision.server is machine.servers[1]


async def test_the_disk_is_told_once_for_each_change(machine: Machine) -> None:
    with capture_logs() as logged:
        for machine.disk in (LOW, FULL, LOW, ENOUGH):
            await machine.look_some_times()
        machine.clock.advance(1)
    events = [entry["event"] for entry in logged]
    assert events == ["broker.disk_low", "broker.disk_full", "broker.disk_low", "broker.disk_has_room"]
    assert logged[1]["free"] == "0 B"
    assert logged[0]["free"] == "512.0 MiB"


def test_the_monitoring_keeps_its_address_unless_somebody_else_has_taken_the_port(tmp_path: Path) -> None:
    monitor = StoreMonitor(tmp_path)
    first = monitor.assign()
    assert monitor.assign() == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(first.partition("127.0.0.1:")[2].partition('"')[0])))
        other.listen()
        assert monitor.assign() != first


DAMAGED = "JetStream stream 'APP > FLEET_RES' could not be recovered"


async def test_a_damaged_store_is_quarantined_and_the_server_started_without_it(machine: Machine) -> None:
    machine.answer = DAMAGED
    await machine.wait_out_the_delay(2)
    assert machine.quarantined == [DAMAGED]
    assert machine.servers[0].stopped


async def test_damage_that_the_masters_mend_costs_no_restart(machine: Machine) -> None:
    machine.answers = [DAMAGED, None] * 3
    await eventually(lambda: not machine.answers)
    await machine.look_some_times()
    assert (len(machine.servers), machine.quarantined) == (1, [])


async def test_a_server_that_cannot_start_for_its_store_starts_without_it() -> None:
    machine = Machine()
    machine.refuses = Unavailable("the broker ended with code 1: Can't start JetStream: checksum mismatch")
    await machine.supervision.start()
    assert (len(machine.servers), len(machine.quarantined)) == (1, 1)


@pytest.mark.parametrize(
    "reason", ["Can't start JetStream: permission denied", "the broker ended with code 1: address already in use"]
)
async def test_a_store_is_not_quarantined_for_what_is_no_damage(reason: str) -> None:
    machine = Machine()
    machine.refuses = Unavailable(reason)
    with pytest.raises(Unavailable, match=reason[:20]):
        await machine.supervision.start()
    assert machine.quarantined == []
