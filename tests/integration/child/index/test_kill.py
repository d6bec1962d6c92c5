from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from fleetfold_child.index import Collection
from support.effort import effort
from support.search import WordBag

TESTS = Path(__file__).parents[3]


async def ingest_and_kill(data_dir: Path, seed: int, acknowledged: int) -> list[list[str]]:
    """Start a process that writes, kill it after so many acknowledgements, give back all that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "support.ingest", str(data_dir), str(seed), stdout=asyncio.subprocess.PIPE, cwd=TESTS
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    lines = [await process.stdout.readline() for _ in range(acknowledged)]
    process.send_signal(signal.SIGKILL)
    rest = (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    return [line.decode().split() for line in [*lines, *rest] if line.endswith(b"\n")]


@pytest.mark.dear
async def test_no_acknowledged_document_is_lost_or_doubled_by_kill_9(tmp_path: Path) -> None:
    chance = random.Random(20)
    possible: dict[str, set[str]] = {}
    for seed in range(effort(3)):
        for what, state, *ids in await ingest_and_kill(tmp_path, seed, chance.randint(5, 60)):
            for one in ids:
                possible[one] = {state} if what == "done" else {state, *possible[one]}
        async with await Collection.open("docs", tmp_path, embedder=WordBag()) as collection:
            assert await collection._table.count() == len(await collection._table.ids()) == collection.count
            for one, states in possible.items():
                found = await collection.get(one)
                assert (found.content.split()[0] if found else "gone") in states, (seed, one)
