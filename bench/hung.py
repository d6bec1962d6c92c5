"""One of eight nodes hangs (SIGSTOP): milliseconds of a search before, until its breaker opens, and from then on.

Each phase is a ratio to the healthy fleet of the same round.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

from bench.documents import Library
from bench.processes import Processes, running_fleet
from bench.rounds import latencies_ms, medians, percentile
from fleetfold.client import Client
from fleetfold.search_request import SearchOptions
from fleetfold_shared.messages import Searched

__all__ = ["measure"]

NODES, DOCUMENTS = 8, 1000
QUERIES = 300
MOST_UNTIL_OPEN = 50
HUNG = "node-7"


async def measure(rounds: int) -> dict[str, Any]:
    """`healthy`, `hung` and `open` are p50 and p99; the ratios are to `healthy`. `until_open` counts searches."""
    queries = Library(seed=-2).queries((QUERIES * 2 + MOST_UNTIL_OPEN) * (rounds + 1) + 10_000)
    async with running_fleet() as fleet:
        for seed in range(NODES):
            file = fleet.data / f"node-{seed}.jsonl"
            Library(seed).write(file, DOCUMENTS)
            await fleet.child(f"node-{seed}", "--collection", f"documents={file}")
        client = await fleet.client()
        measured = [await _round(fleet, client, queries) for _ in range(rounds + 1)]
    return {"nodes": NODES, "documents_per_node": DOCUMENTS, **medians(measured[1:])}


async def _round(fleet: Processes, client: Client, queries: Iterator[str]) -> dict[str, float]:
    async def search() -> Searched:
        return await client.search(next(queries), options=SearchOptions(cache="off"))

    while (await search()).partial:
        pass
    healthy = await latencies_ms(search, QUERIES)
    fleet.send(HUNG, signal.SIGSTOP)
    try:
        hung = await _until_open(client, queries)
        opened = await latencies_ms(search, QUERIES)
    finally:
        fleet.send(HUNG, signal.SIGCONT)
    figures = {"until_open": float(len(hung)), "hung_max_ms": max(hung)}
    for name, took in (("healthy", healthy), ("open", opened)):
        figures |= {f"{name}_p{percent}_ms": percentile(took, percent) for percent in (50, 99)}
    return figures | {f"open_p{p}_ratio": figures[f"open_p{p}_ms"] / figures[f"healthy_p{p}_ms"] for p in (50, 99)}


async def _until_open(client: Client, queries: Iterator[str]) -> list[float]:
    """The milliseconds of the searches that still waited for it."""
    took = list[float]()
    for _ in range(MOST_UNTIL_OPEN):
        found = await client.search(next(queries), options=SearchOptions(cache="off"))
        if any(one.status == "open" for one in found.nodes):
            return took
        took.append(found.took_ms)
    raise RuntimeError(f"{HUNG} hangs and is still asked after {MOST_UNTIL_OPEN} searches")
