"""Milliseconds of a search through client, master and nodes: one node that is asked, and eight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bench.documents import Library
from bench.processes import cpu_spent, running_fleet
from bench.rounds import latencies_ms, medians, percentile
from fleetfold.client import Client

__all__ = ["measure"]

NODES = 8
DOCUMENTS = 3000
QUERIES = 300


async def measure(rounds: int) -> dict[str, Any]:
    """Figures by how many nodes were asked, each with `DOCUMENTS` generated documents; no query is asked twice."""
    names = [f"node-{number}" for number in range(NODES)]
    queries = Library(seed=-1).queries(QUERIES * 2 * (rounds + 1))
    async with running_fleet() as fleet:
        for seed, name in enumerate(names):
            file = fleet.data / f"{name}.jsonl"
            Library(seed).write(file, DOCUMENTS)
            await fleet.child(name, "--collection", f"documents={file}")
        client = await fleet.client()
        before = fleet.cpu_s()
        measured = [await _round(client, names, queries) for _ in range(rounds + 1)]
        spent = cpu_spent(before, fleet.cpu_s(), QUERIES * 2 * (rounds + 1))
    return {"documents_per_node": DOCUMENTS, **medians(measured[1:]), "cpu_us": spent}


async def _round(client: Client, names: Sequence[str], queries: Iterator[str]) -> dict[str, float]:
    one = await latencies_ms(lambda: _search(client, next(queries), names[:1]), QUERIES)
    eight = await latencies_ms(lambda: _search(client, next(queries), names), QUERIES)
    figures = {
        f"{name}_p{percent}_ms": percentile(took, percent)
        for name, took in (("one", one), ("eight", eight)) for percent in (50, 99)
    }  # fmt: skip
    return {**figures, "eight_to_one_ratio": figures["eight_p50_ms"] / figures["one_p50_ms"]}


async def _search(client: Client, query: str, names: Sequence[str]) -> None:
    answer = await client.search(query, nodes=names, cache="off")
    if answer.partial or not answer.hits:
        raise RuntimeError(f"{query!r} found {answer.total} hits and {answer.nodes}, so the figure would mean nothing")
