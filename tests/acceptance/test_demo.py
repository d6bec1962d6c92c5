"""The demo is the main job: it ends 0 only if all of it happened."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from support.fleet import fleetfold, running_fleet
from support.wait import eventually

PROMISES = [
    "three nodes are registered and healthy",
    "the hits come from several nodes",
    "every node answered",
    "the new post is found, and leads",
    "it committed",
    "the CRM has the order",
    "it was rolled back",
    "the order was cancelled before the stock was released",
    "stock and account are as they were",
    "the transaction ended committed",
    "the order is packed, once",
]


async def test_the_demo_keeps_every_promise_and_leaves_nothing_behind(
    nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with running_fleet(tmp_path):
        said = await fleetfold("demo", "--exit", timeout_s=100)
    assert said.code == 0, said
    assert [promise for promise in PROMISES if f"✓ {promise}" not in said.out] == []
    assert "All of it happened" in said.out
    assert "Traceback" not in said.err
    assert [left for _, *lefts in os.walk(tmp_path) for left in lefts if left] == []


@pytest.mark.parametrize("blow", [signal.SIGTERM, signal.SIGKILL])
async def test_a_demo_that_is_ended_leaves_no_process_behind(
    blow: signal.Signals, nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("FLEETFOLD_STATE", str(tmp_path / "state"))
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-m", "fleetfold", "demo", "--exit", stdout=asyncio.subprocess.PIPE
    )
    assert demo.stdout is not None
    while b"master is up" not in await demo.stdout.readline():
        pass
    assert commands_that_name(tmp_path)
    demo.send_signal(blow)
    await demo.communicate()
    await eventually(lambda: not commands_that_name(tmp_path))


def commands_that_name(folder: Path) -> list[str]:
    """The command lines of the running processes that work below `folder`."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:  # it has just ended
            continue
        if str(folder) in words:
            found.append(words)
    return found
