"""Ctrl-C ends every command, and a child that is a program of its own, with 130 and without a word: at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.effort import effort
from support.fleet import Fleet, running_fleet, write_jsonl

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


def arguments(words: str, place: Path, number: int) -> list[str]:
    documents = write_jsonl(place / "docs.jsonl", ({"id": str(n), "title": f"tent {n}"} for n in range(2000)))
    name = f"shop-{number}"
    own = ["--data", str(place / f"own-{number}")]
    more = {
        "program": ["-c", PROGRAM, name, str(documents)],
        "child": ["-c", COMMAND, "child", "--name", name, "--collection", f"products={documents}"],
        "up": ["-c", COMMAND, "up", "--port", "0", *own],
        "broker": ["-c", COMMAND, "broker", "--port", "0", "--store", own[1]],
        "master": ["-c", COMMAND, "master", *own],
    }
    return more.get(words, ["-c", COMMAND, *words.split()])


async def interrupted(words: list[str], place: Path, randomly: random.Random) -> tuple[int, str]:
    """How the process ended that got SIGINT at some moment, and what it said on stderr that is no line of the log."""
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
        process.send_signal(signal.SIGINT)
    _, err = await ended
    assert process.returncode is not None
    return process.returncode, "\n".join(line for line in err.decode().splitlines() if not line.startswith('{"'))
