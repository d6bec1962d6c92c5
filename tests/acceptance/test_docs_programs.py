"""Each Python block of the pages for people is a whole program, and runs beside the demo's nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import pytest
import pytest_asyncio

from fleetfold_demo.demo_fleet import COLLECTIONS
from support.fleet import Fleet, running_fleet
from support.pages import blocks, pages
from support.programs import Programs

ELSEWHERE = {"README.md", "first-fleet.md"}
"""Followed by tests of their own, with the commands between the programs."""


def with_programs() -> list[Path]:
    """The pages that have Python blocks."""
    return [
        page
        for page in pages()
        if page.name not in ELSEWHERE and any(block.language == "python" for block in blocks(page))
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo_fleet(nats_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """A broker, a master and the demo's three nodes."""
    sample = files("fleetfold_demo") / "data"
    async with running_fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        await fleet.start_core()
        for name, kept in COLLECTIONS.items():
            words = [word for one in kept for word in ("--collection", f"{one}={sample / f'{one}.jsonl'}")]
            actions = f"fleetfold_demo.{name}:ACTIONS"
            await fleet.start(name, "child", "--name", name, "--type", name, "--actions", actions, *words)
        yield fleet


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("page", with_programs(), ids=lambda page: page.stem)
async def test_the_programs_of_a_page_run_as_they_stand(
    page: Path, demo_fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with await demo_fleet.client() as client:
        programs = Programs(client)
        try:
            assert await programs.follow(page) > 0
        finally:
            await programs.close()
