"""A process that writes documents until it is killed: it says what it tries and what was acknowledged.

python -m support.ingest DATA_DIR SEED
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from fleetfold_child.index import Collection, DataLock
from support.search import WordBag


async def main(data_dir: str, seed: int) -> None:
    chance = random.Random(seed)
    written = asyncio.Event()
    async with await Collection.open("docs", data_dir, embedder=WordBag()) as collection:
        say("ready")
        writers = (write(collection, f"{seed}-{worker}", chance, written) for worker in range(8))
        await asyncio.gather(optimize(collection, written), *writers)


async def optimize(collection: Collection, written: asyncio.Event) -> None:
    """Far more often than ever needed: it is to be killed in the middle of that too."""
    while True:
        await written.wait()
        written.clear()
        await collection._table.optimize()


async def write(collection: Collection, worker: str, chance: random.Random, written: asyncio.Event) -> None:
    """For ever: several new documents, or the last one changed or deleted. Every fifth time, `written` is set."""
    number = 0
    while True:
        number += 1
        if number % 5 == 0:
            written.set()
        records = [{"id": f"{worker}-{number}-{i}", "text": f"first {number}"} for i in range(chance.randint(1, 40))]
        await collection.index(records)
        say("done", "first", *(str(record["id"]) for record in records))
        last = str(records[-1]["id"])
        if chance.random() < 0.5:
            say("trying", "second", last)
            await collection.update(last, {"text": f"second {number}"})
            say("done", "second", last)
        elif chance.random() < 0.5:
            say("trying", "gone", last)
            await collection.delete([last])
            say("done", "gone", last)


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with DataLock(Path(sys.argv[1])):
        asyncio.run(main(sys.argv[1], int(sys.argv[2])))
