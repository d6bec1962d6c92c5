"""Fleets for the acceptance ring: each is made of the installed command's own processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.fleet import Fleet, running_fleet, write_jsonl

TEXTS = [
    "a tent that stands in a gale", "a stove for melting snow", "a rope for steep ice", "a lamp for long nights",
    "a bag for cold sleepers", "a map of the northern hills",
]  # fmt: skip


def pytest_itemcollected(item: pytest.Item) -> None:
    """They are dear, each of them."""
    item.add_marker(pytest.mark.dear)


@pytest.fixture
async def fleet(nats_server: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """A broker and a master; the test starts its own children."""
    async with running_fleet(tmp_path) as fleet:
        await fleet.start_core()
        yield fleet


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_fleet(nats_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """A broker, a master and the children `shop` and `blog`, with a collection `things` each: for a whole module."""
    place = tmp_path_factory.mktemp("fleet")
    async with running_fleet(place) as fleet:
        await fleet.start_core()
        for name in ("shop", "blog"):
            records = [{"id": f"{name}-{number}", "text": text} for number, text in enumerate(TEXTS)]
            source = write_jsonl(place / f"{name}.jsonl", records)
            await fleet.start_child(name, "--type", name, "--collection", f"things={source}")
        yield fleet
