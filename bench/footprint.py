"""The memory of each process: the nats-server, the master, and a child with its actions alone, 40 and 10,000 documents.

RSS counts every page that the process has in memory. PSS divides the pages that several processes share, such as those
of Python and NumPy, among them: the sum over all processes is what the machine needs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bench.documents import Library
from bench.processes import SERVER, running_fleet
from bench.rounds import medians
from fleetfold.search_request import SearchOptions

__all__ = ["measure", "memory_of"]

ACTIONS = "fleetfold_demo.shop:ACTIONS"
DOCUMENTS = (0, 40, 10_000)
SEARCHES = 50
_LINE = re.compile(r"^(Rss|Pss): +(\d+) kB$", re.MULTILINE)


async def measure(rounds: int) -> dict[str, Any]:
    """MB of RSS and PSS by process, after some searches, with all of them running."""
    return {"searches": SEARCHES, **medians([await _round(seed) for seed in range(rounds)])}


def memory_of(pid: int) -> dict[str, float]:
    """MB of RSS and PSS of a process, from `/proc/<pid>/smaps_rollup`."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return {name.lower(): round(int(kilobytes) / 1024, 1) for name, kilobytes in _LINE.findall(text)}


async def _round(seed: int) -> dict[str, float]:
    async with running_fleet() as fleet:
        for count in DOCUMENTS:
            words = ["--actions", ACTIONS]
            if count:
                file = fleet.data / f"{count}.jsonl"
                Library(seed).write(file, count)
                words += ["--collection", f"documents={file}"]
            await fleet.child(f"child-{count}", *words)
        client = await fleet.client()
        for query in Library(-1 - seed).queries(SEARCHES):
            await client.search(query, options=SearchOptions(cache="off"))
        pids = {"broker" if name == SERVER else name: pid for name, pid in fleet.pids.items()}
        return {f"{name}_{kind}_mb": mb for name, pid in pids.items() for kind, mb in memory_of(pid).items()}
