"""Signals at any moment: Ctrl-C ends every command, and a child that is a program of its own, with 130 and without a
word; a request to stop, and a closed terminal, end a daemon in good order with 0.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import random
import signal
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.effort import effort
from support.fleet import Fleet, running_fleet, write_jsonl
from support.wait import eventually

pytestmark = pytest.mark.dear

SEED = 20261129
WITHIN_S = 3.0
"""The first seconds: imports, joining, reading a source, and being up."""
COMMAND = """
import sys
from fleetfold_cli import main
print("begun", flush=True)
sys.exit(main(sys.argv[1:]))
"""
PROGRAM = """
import sys
from fleetfold import Child
child = Child(sys.argv[1]).collection("products", source=sys.argv[2])
print("begun", flush=True)
child.run()
"""


@pytest.fixture
async def fleet(nats_server: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    (tmp_path / "state").mkdir()
    async with running_fleet(tmp_path / "state") as fleet:
        await fleet.start_core()
        yield fleet


@pytest.mark.parametrize(
    "words", ["up", "broker", "master", "child", "program", "search tent", "nodes list", "demo --exit"]
)
async def test_ctrl_c_at_any_moment_is_a_quiet_130(words: str, fleet: Fleet, tmp_path: Path) -> None:
    randomly = random.Random(f"{SEED} {words}")
    for number in range(effort(3)):
        code, said = await interrupted(arguments(words, tmp_path, number), tmp_path / str(number), randomly)
        assert (code, said) in {(130, ""), (0, "")}, number  # a short command may have ended before
        assert code == 130 or words in {"search tent", "nodes list"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("words", ["up", "broker", "master", "child"])
async def test_a_daemon_stops_in_good_order_at_any_moment(
    words: str, number: signal.Signals, fleet: Fleet, tmp_path: Path
) -> None:
    randomly = random.Random(f"{SEED} {words} {number}")
    for attempt in range(effort(2)):
        code, said = await interrupted(arguments(words, tmp_path, attempt), tmp_path / str(attempt), randomly, number)
        assert (code, said) == (0, ""), attempt


async def test_a_closed_terminal_leaves_no_broker_behind(nats_server: str, tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, "up", "--port", "0", env={**os.environ, "FLEETFOLD_STATE": str(tmp_path)},
        stdin=inside, stdout=inside, stderr=inside, preexec_fn=take_terminal, start_new_session=True,
    )  # fmt: skip
    os.close(inside)
    server = tmp_path / "broker" / "nats-server.pid"
    await eventually(server.exists)
    pid = int(server.read_text())
    os.close(terminal)
    assert await process.wait() == 0
    assert not os.path.exists(f"/proc/{pid}")  # noqa: ASYNC240, PTH110  # no file: the kernel's table


def take_terminal() -> None:
    """Make standard input the controlling terminal of this session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def arguments(words: str, place: Path, number: int) -> list[str]:
    documents = write_jsonl(place / "docs.jsonl", ({"id": str(n), "title": f"tent {n}"} for n in range(2000)))
    name = f"shop-{number}"
    own = ["--data", str(place / f"own-{number}")]
    more = {
        "program": ["-c", PROGRAM, name, str(documents)],
        "child": ["-c", COMMAND, "child", "--name", name, "--collection", f"products={documents}"],
        "up": ["-c", COMMAND, "up", "--port", "0", *own],
        "broker": ["-c", COMMAND, "broker", "--port", "0", "--store", own[1]],
        "master": ["-c", COMMAND, "master", *own, "--new"],  # the keys are those of a fleet that has a database
    }
    return more.get(words, ["-c", COMMAND, *words.split()])


async def interrupted(
    words: list[str], place: Path, randomly: random.Random, number: signal.Signals = signal.SIGINT
) -> tuple[int, str]:
    """How the process ended that got a signal at some moment, and what it said on stderr that is no line of the log."""
    apart = {"up", "broker", "demo"} & set(words)  # these announce themselves, and are not to hide the fleet
    env = {**os.environ, **({"FLEETFOLD_STATE": str(place)} if apart else {})}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=env, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begun\n"
    ended = asyncio.create_task(process.communicate())
    await asyncio.wait([ended], timeout=randomly.uniform(0, WITHIN_S))
    if process.returncode is None:
        process.send_signal(number)
    _, err = await ended
    assert process.returncode is not None
    return process.returncode, "\n".join(line for line in err.decode().splitlines() if not line.startswith('{"'))
