"""Milliseconds of a search through client, master and eight nodes, against the slowest node's own; searches a second.

`slowest` is the longest that a node spent inside itself in that very search, as it tells with `explain`; `alone` is
that of the slowest node when each is asked alone. Nothing comes from the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bench.documents import Library
from bench.processes import cpu_spent, running_fleet
from bench.rounds import latencies_ms, medians, percentile, rate
from fleetfold.client import Client
from fleetfold.search_request import SearchOptions
from fleetfold_shared.messages import Searched

__all__ = ["measure"]

NODES = 8
DOCUMENTS = 6000
QUERIES = 200
PER_CLIENT = 100
CLIENTS = (1, 8, 32)
SPARE_MS = 2.0
"""What a search may take beside its nodes, apart from a share of their time."""
PERCENTS = (50, 99)


class Searching:
    """A fleet's client, and queries that it has not seen."""

    def __init__(self, client: Client, names: Sequence[str], queries: Iterator[str]) -> None:
        self._client, self._names, self._queries = client, names, queries

    async def round(self) -> dict[str, float]:
        """All figures once, each of them over queries of its own."""
        told = [await self._told() for _ in range(QUERIES)]
        whole, slowest, alone = zip(*told, strict=True)
        took = {
            "whole": whole, "slowest": slowest, "alone": alone,
            "one": await latencies_ms(lambda: self._ask(self._names[:1]), QUERIES),
            "eight": await latencies_ms(lambda: self._ask(self._names), QUERIES),
        }  # fmt: skip
        figures = {f"{name}_p{part}_ms": percentile(ms, part) for name, ms in took.items() for part in PERCENTS}
        for part in PERCENTS:
            beside = figures[f"whole_p{part}_ms"] - SPARE_MS
            figures[f"whole_to_slowest_p{part}_ratio"] = beside / figures[f"slowest_p{part}_ms"]
        return {**figures, **await self._rates()}

    async def _told(self) -> tuple[float, float, float]:
        """Of one query: the whole search, its slowest node, and the slowest node of those asked alone."""
        query = next(self._queries)
        answers: list[Searched] = []

        async def ask(names: Sequence[str]) -> None:
            answers.append(await self._search(query, names, explain=True))

        (whole,) = await latencies_ms(lambda: ask(self._names), 1)
        for name in self._names:
            await ask([name])
        inside = [max(report.explain.inside_ms or 0.0 for report in one.nodes if report.explain) for one in answers]
        return whole, inside[0], max(inside[1:])

    async def _rates(self) -> dict[str, float]:
        rates = {
            clients: await rate(lambda: self._ask(self._names), clients, PER_CLIENT * min(clients, 8))
            for clients in CLIENTS
        }
        first = rates[CLIENTS[0]]
        return {
            **{f"clients_{clients}_per_s": value for clients, value in rates.items()},
            **{f"clients_{clients}_to_1_ratio": rates[clients] / first for clients in CLIENTS[1:]},
        }

    async def _ask(self, names: Sequence[str]) -> None:
        await self._search(next(self._queries), names)

    async def _search(self, query: str, names: Sequence[str], *, explain: bool = False) -> Searched:
        answer = await self._client.search(
            query, nodes=names, options=SearchOptions(explain=explain, cache="off"), timeout_s=30.0
        )
        if answer.partial or not answer.hits:
            raise RuntimeError(f"{query!r} found {answer.total} hits and {answer.nodes}, so the figure means nothing")
        return answer


async def measure(rounds: int) -> dict[str, Any]:
    """Figures over `NODES` nodes of `DOCUMENTS` generated documents each."""
    names = [f"node-{number}" for number in range(NODES)]
    asked = QUERIES * 3 + PER_CLIENT * sum(min(clients, 8) for clients in CLIENTS)
    async with running_fleet() as fleet:
        for seed, name in enumerate(names):
            file = fleet.data / f"{name}.jsonl"
            Library(seed).write(file, DOCUMENTS)
            await fleet.child(name, "--collection", f"documents={file}")
        searching = Searching(await fleet.client(), names, Library(seed=-1).queries(asked * (rounds + 1)))
        before = fleet.cpu_s()
        measured = [await searching.round() for _ in range(rounds + 1)]
        spent = cpu_spent(before, fleet.cpu_s(), (asked + QUERIES * NODES) * (rounds + 1))
    return {"nodes": NODES, "documents_per_node": DOCUMENTS, **medians(measured[1:]), "cpu_us": spent}
