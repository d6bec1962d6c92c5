"""Whoever starts first waits: a child for its broker and its first master, a master for its broker."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.fleet import Fleet, fleetfold, running_fleet

pytestmark = pytest.mark.dear

FOR_BROKER, FOR_MASTER = b".awaiting_broker", b".awaiting_master"
PROGRAM = "import sys; from fleetfold import Child; Child('shop', url=sys.argv[1]).run()"


@pytest.fixture
async def fleet(nats_server: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with running_fleet(tmp_path) as fleet:
        yield fleet


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def started(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def says(stream: asyncio.StreamReader | None, words: bytes) -> None:
    """Return when it has said so."""
    assert stream is not None
    while words not in (line := await stream.readline()):
        assert line, "it has ended"


async def test_a_child_waits_for_the_first_master_and_finds_its_key(fleet: Fleet) -> None:
    await fleet.start("broker", "broker", "--port", "0")
    async with started("-m", "fleetfold", "child", "--name", "shop") as child:
        await says(child.stderr, FOR_MASTER)
        await fleet.start("master", "master")
        await says(child.stdout, b"fleetfold child shop is up")
        assert (await fleetfold("nodes", "ping", "shop")).code == 0


@pytest.mark.parametrize("words", [["-m", "fleetfold", "child", "--name", "shop", "--url"], ["-c", PROGRAM]])
async def test_a_child_waits_for_its_first_broker(fleet: Fleet, port: int, words: list[str]) -> None:
    async with started(*words, f"nats://127.0.0.1:{port}") as child:
        await says(child.stderr, FOR_BROKER)
        await fleet.start("up", "up", "--port", str(port))
        await says(child.stdout, b"fleetfold child shop is up: no collections; on nats://127.0.0.1")


async def test_a_master_waits_for_its_broker(fleet: Fleet, port: int) -> None:
    async with started("-m", "fleetfold", "master", "--url", f"nats://127.0.0.1:{port}") as master:
        await says(master.stderr, FOR_BROKER)
        await fleet.start("broker", "broker", "--port", str(port))
        await says(master.stdout, b"fleetfold master is up")


@pytest.mark.parametrize("command", [["child", "--name", "shop"], ["master"]])
async def test_it_says_once_what_it_waits_for_and_ctrl_c_ends_it(fleet: Fleet, port: int, command: list[str]) -> None:
    url = f"nats://127.0.0.1:{port}"
    async with started("-m", "fleetfold", *command, "--url", url) as waiting:
        await says(waiting.stderr, FOR_BROKER)
        os.kill(waiting.pid, signal.SIGINT)
        out, err = await waiting.communicate()
        assert (waiting.returncode, out, err) == (130, b"", b"")


async def test_children_started_with_their_fleet_all_come_in(fleet: Fleet, port: int) -> None:
    await fleet.start("broker", "broker", "--port", str(port))
    words = [["child", "--name", f"shop-{number}"] for number in range(3)]
    await asyncio.gather(fleet.start("master", "master"), *(fleet.start(each[-1], *each) for each in words))
    listed = await fleetfold("nodes", "list", "--json")
    assert {node["name"] for node in listed.json["nodes"]} == {"shop-0", "shop-1", "shop-2"}
