"""A hundred thousand commands wait for a child that is dead: do the others notice, does it catch up, what does it cost?

`python -m bench backlog`; `$FLEETFOLD_BACKLOG` is another number. Memory is what is resident, in MB, of each process:
before, when all are queued, and when they are done.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from itertools import count
from typing import Any

from bench.processes import Processes, memory_mb, running_fleet
from bench.rounds import latencies_ms, percentile, rate
from fleetfold.client import Client
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Run

__all__ = ["measure"]

QUEUED = int(os.environ.get("FLEETFOLD_BACKLOG", "100000"))
AT_ONCE = 100
PROBES = 300
PATIENCE_S = 3600.0
LOOK_S = 0.25


async def measure(_rounds: int) -> dict[str, Any]:
    """Once: a hundred thousand are many rounds."""
    async with running_fleet() as fleet:
        for name in ("dead", "alive"):
            await fleet.child(name, "--actions", "bench.noop:noop", "--concurrency", "100")
        client = await fleet.client()
        before = await _probe(fleet, client)
        fleet.send("dead", signal.SIGKILL)
        numbers, first = count(), new_id()

        async def put() -> None:
            number = next(numbers)
            await client.run(
                "noop", {"number": number}, nodes=["dead"], id=f"{first}-{number}", detach=True, timeout_s=PATIENCE_S
            )

        per_s = await rate(put, AT_ONCE, QUEUED)
        during = await _probe(fleet, client)
        started = time.perf_counter()
        await fleet.child("dead", "--actions", "bench.noop:noop", "--concurrency", "100")
        busy = asyncio.create_task(_probe(fleet, client))
        await _caught_up(client)
        caught_up_s = time.perf_counter() - started
        after = await _probe(fleet, client)
        figures = {"before": before, "while_queued": during, "while_catching_up": await busy, "after": after}
        rates = {"queued_per_s": round(per_s, 1), "caught_up_per_s": round(QUEUED / caught_up_s, 1)}
        return {"queued": QUEUED, **rates, "lost": await _lost(client, first), **figures}


async def _probe(fleet: Processes, client: Client) -> dict[str, Any]:
    async def ask() -> None:
        await client.run("noop", {"number": 0}, nodes=["alive"])

    took = await latencies_ms(ask, PROBES)
    latency = {f"p{rank}_ms": round(percentile(took, rank), 3) for rank in (50, 99)}
    return {**latency, "memory_mb": {name: memory_mb(pid) for name, pid in fleet.pids.items()}}


async def _caught_up(client: Client) -> None:
    """Return when nothing is under way any more, but for what probes."""
    while len(await client.jobs.list(limit=2, state="running")) > 1:  # noqa: ASYNC110 (nobody tells of the last of many)
        await asyncio.sleep(LOOK_S)


async def _lost(client: Client, first: str) -> int:
    """How many of them have not ended with ok. Given again, they are told and not done again."""
    runs = (_run(first, number) for number in range(QUEUED))
    return QUEUED - sum([outcome.state == "ok" async for outcome in client.submit(runs)])


def _run(first: str, number: int) -> Run:
    return Run(
        id=f"{first}-{number}", action="noop", params={"number": number}, nodes=["dead"], timeout_s=PATIENCE_S
    )  # fmt: skip
