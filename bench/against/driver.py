"""One version's side of the comparison: `python -P driver.py SCENARIO`, run by that version's Python in its files.

Says `ready` when its fleet is up; each line on stdin asks for one round, answered by its figures as one line of JSON.
It imports only what both versions' `bench` and this file agree on: `Desk`, `Asking`, `Searching`, `running_fleet`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
import uvloop

from bench.commands import Desk
from bench.documents import Library
from bench.fanout import Asking
from bench.processes import Processes, cpu_spent, memory_mb, running_fleet
from bench.rounds import Work, latencies_ms, percentile
from bench.search import Searching

Round = Callable[[], Awaitable[dict[str, float]]]

IN_FLIGHT = (1, 100)
NODES, DOCUMENTS, QUERIES, PINGS, PINGED = 8, 1000, 200, 200, 10
MEASURED = ("command", "transaction")
PROCESSES = ("all", "client", "master", "nats-server", "worker")
MEMORY_DOCUMENTS, MEMORY_SEARCHES = 4000, 50
MOST_QUERIES = 1_000_000


@asynccontextmanager
async def commands() -> AsyncIterator[Round]:
    """Durable commands and transactions of three steps, at 1 and 100 in flight."""
    async with running_fleet() as fleet:
        desk = await Desk.open(fleet)

        async def measure() -> dict[str, float]:
            figures = {}
            for number in IN_FLIGHT:
                found = await desk.round(number)
                for what in MEASURED:
                    figures[f"{what}s_{number}_per_s"] = found[f"{what}_per_s"]
                    figures |= {
                        f"{what}s_{number}_{process}_cpu_us": found[f"{what}_cpu_us_{process}"] for process in PROCESSES
                    }
            return figures

        yield measure


@asynccontextmanager
async def search() -> AsyncIterator[Round]:
    """Searches of one node and of eight, nothing from the cache."""
    names = [f"node-{number}" for number in range(NODES)]
    async with running_fleet() as fleet:
        searching = await _searching(fleet, dict.fromkeys(names, DOCUMENTS))

        async def measure() -> dict[str, float]:
            one = await _timed(fleet, "search_one_node", lambda: _search(searching, names[:1]), QUERIES)
            return one | await _timed(fleet, "search_eight_nodes", lambda: _search(searching, names), QUERIES)

        yield measure


@asynccontextmanager
async def ping() -> AsyncIterator[Round]:
    """Pings of all of ten light nodes, through the master."""
    async with running_fleet() as fleet, Asking.open(fleet) as asking:
        work = (await asking.ways(PINGED))["client"]
        yield lambda: _timed(fleet, "ping_ten_nodes", work, PINGS)


@asynccontextmanager
async def memory() -> AsyncIterator[Round]:
    """Resident memory of nats-server, master, a child of actions and one of documents; new ones each round."""

    async def measure() -> dict[str, float]:
        async with running_fleet() as fleet:
            await fleet.child("actions", "--actions", "bench.noop:noop")
            searching = await _searching(fleet, {"documents": MEMORY_DOCUMENTS})
            await latencies_ms(lambda: _search(searching, ["documents"]), MEMORY_SEARCHES)
            return {f"memory_{name}_mb": memory_mb(pid) or 0.0 for name, pid in fleet.pids.items()}

    yield measure


SCENARIOS = {"commands": commands, "search": search, "ping": ping, "memory": memory}


async def _searching(fleet: Processes, documents: dict[str, int]) -> Searching:
    for seed, (name, count) in enumerate(documents.items()):
        file = fleet.data / f"{name}.jsonl"
        Library(seed).write(file, count)
        await fleet.child(name, "--collection", f"documents={file}")
    return Searching(await fleet.client(), list(documents), Library(seed=-1).queries(MOST_QUERIES))


async def _search(searching: Searching, names: list[str]) -> None:
    await searching._ask(names)  # noqa: SLF001  # earlier versions have no public name for it


async def _timed(fleet: Processes, what: str, work: Work, count: int) -> dict[str, float]:
    before = fleet.cpu_s()
    took = await latencies_ms(work, count)
    spent = cpu_spent(before, fleet.cpu_s(), count)
    return {f"{what}_p50_ms": percentile(took, 50), f"{what}_cpu_us": sum(spent.values())}


async def drive(scenario: str) -> None:
    """Measure a round for each line on stdin, until it is closed."""
    loop = asyncio.get_running_loop()
    async with SCENARIOS[scenario]() as measure:
        print("ready", flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(await measure()), flush=True)


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    uvloop.run(drive(sys.argv[1]))
