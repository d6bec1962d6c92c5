"""The README: what it prints is what happens."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fleetfold import Client
from support.fleet import python, running_fleet
from support.pages import ROOT, Block, blocks
from support.wait import eventually
from support.walkthrough import Walkthrough

MOST_LINES = {"child.py": 13, "caller.py": 7}


def marked() -> dict[str, Block]:
    """The README's blocks that can be run, or saved, by name."""
    return {block.name: block for block in blocks(ROOT / "README.md") if block.verb in {"run", "file"}}


@asynccontextmanager
async def running_script(name: str) -> AsyncIterator[None]:
    """A Python program that stays up; it ends well when it is told to."""
    process = await asyncio.create_subprocess_exec(sys.executable, name)
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        assert await process.wait() == 0


async def has_action(fleet: Client, action: str) -> bool:
    return any(info.name == action for node in await fleet.nodes.list() for info in node.description.actions)


@pytest.fixture
async def reader(nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Walkthrough]:
    """Somebody in an empty folder, with the README's documents and the fleet of its first command."""
    monkeypatch.chdir(tmp_path)
    async with running_fleet(tmp_path):
        reader = Walkthrough(tmp_path)
        reader.save(marked()["docs.jsonl"])
        await reader.start(marked()["up"])
        yield reader
        await reader.close()


async def test_the_three_commands_do_what_they_say(reader: Walkthrough) -> None:
    await reader.start(marked()["child"])
    (search,) = marked()["search"].shown()
    assert "Blue tent" in search.output
    await reader.run(search)


async def test_the_child_and_the_caller_run_as_printed(reader: Walkthrough) -> None:
    for name in MOST_LINES:
        reader.save(marked()[name])
    async with running_script("child.py"), await Client.connect() as fleet:
        await eventually(lambda: has_action(fleet, "reserve"))
        said = await python("caller.py")
    assert (said.code, said.err) == (0, "")
    assert said.out.strip() == "Blue tent ok"


@pytest.mark.parametrize("name", MOST_LINES)
def test_the_programs_are_as_short_as_the_readme_says(name: str) -> None:
    assert len(marked()[name].text.splitlines()) <= MOST_LINES[name]


def test_make_knows_the_two_commands() -> None:
    subprocess.run(["make", "-n", "demo", "test"], cwd=ROOT, check=True, capture_output=True)
