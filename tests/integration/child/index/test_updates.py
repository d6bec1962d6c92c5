"""Many single-document updates: found at once, and in the end neither the disk nor a search is larger for them.

`FLEETFOLD_UPDATES=10000` makes as many.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from datetime import timedelta
from pathlib import Path

import pytest

from fleetfold_child.index import Collection
from support.effort import effort
from support.search import WordBag, ask

DOCUMENTS, WRITERS = 400, 40
UPDATES = int(os.environ.get("FLEETFOLD_UPDATES", effort(400)))


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def found(collection: Collection, text: str) -> list[str]:
    hits, _ = await collection.search(ask(text, collection._statistics, vector=None))
    return [hit.id for hit in hits]


async def search_ms(collection: Collection) -> float:
    took = []
    for number in range(60):
        started = time.process_time()  # CPU time of all threads: whatever else runs on the machine
        await collection.search(ask(f"word{number} common", collection._statistics))
        took.append((time.process_time() - started) * 1000)
    return statistics.median(took)


@pytest.mark.dear
@pytest.mark.parametrize("memory", [100_000, 0])
async def test_updates_are_found_at_once_and_leave_nothing_behind(tmp_path: Path, memory: int) -> None:
    async with await Collection.open("docs", tmp_path, embedder=WordBag(), memory_documents=memory) as docs:
        await docs.index({"id": f"d{i}", "text": f"word{i} common", "n": 0} for i in range(DOCUMENTS))
        await docs._table.optimize(keep=timedelta(milliseconds=1))
        bytes_before, ms_before = size_of(tmp_path / "lance"), await search_ms(docs)

        async def write(writer: int) -> None:
            for round_ in range(UPDATES // WRITERS):
                one, text = f"d{writer * (DOCUMENTS // WRITERS) + round_ % 10}", f"mark{writer}x{round_}"
                await docs.update(one, {"text": f"{text} common", "n": round_})
                if round_ % 5 == 0:
                    assert await found(docs, text) == [one]
                if round_ % 10 == 9:
                    await docs.delete([one])
                    assert await found(docs, text) == []
                    await docs.index([{"id": one, "text": f"{text} common"}])

        await asyncio.gather(*map(write, range(WRITERS)))
        assert docs.count == DOCUMENTS
        await docs._table.optimize(keep=timedelta(milliseconds=1))
        assert size_of(tmp_path / "lance") < 2 * bytes_before + 200_000
        assert await search_ms(docs) < 4 * ms_before + 2.0
