"""Ping all: one question to 10 and to 100 nodes, and the last answer; against nats-py alone with the same processes.

`gather` is the broker room by itself, `client` the whole way through the master. The floor is one publication and
as many replies, which is the least that nats-py can do; no node is known there, and none can be missed.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bench.bare import BareBus
from bench.processes import Processes, running_fleet
from bench.rounds import latencies_ms, medians
from fleetfold.client import Client
from fleetfold_broker.bus import Bus
from fleetfold_broker.gather import Gatherer
from fleetfold_shared.messages import NodeList, encode

__all__ = ["measure"]

SIZES = (10, 100)
NODES_A_PROCESS = 25
ASKED = 200
WAIT_S = 5.0


async def measure(rounds: int) -> dict[str, Any]:
    """Figures by how many nodes there were: the median milliseconds of a ping of all of them."""
    figures = {}
    async with AsyncExitStack() as opened:
        fleet = await opened.enter_async_context(running_fleet())
        client = await fleet.client()
        bare = await opened.enter_async_context(await BareBus.connect(fleet.url))
        bus = await opened.enter_async_context(await Bus.connect(fleet.url, "bench-gather"))
        gatherer = Gatherer(bus)
        await gatherer.start()
        names: list[str] = []
        for size in SIZES:
            fresh = [f"light-{number}" for number in range(len(names), size)]
            await _start(fleet, fresh, opened)
            names += fresh
            figures[str(size)] = await _at(names, client, gatherer, bare, rounds)
    return figures


async def _at(names: Sequence[str], client: Client, gatherer: Gatherer, bare: BareBus, rounds: int) -> dict[str, Any]:
    measured = [await _round(names, client, gatherer, bare) for _ in range(rounds + 1)]
    figures = medians(measured[1:])  # the first one warms up
    ratios = {f"{name}_ratio": round(figures[f"{name}_ms"] / figures["bare_ms"], 2) for name in ("gather", "client")}
    return {**figures, **ratios}


async def _round(names: Sequence[str], client: Client, gatherer: Gatherer, bare: BareBus) -> dict[str, float]:
    question = encode(NodeList())

    async def gather() -> None:
        _require(len(await gatherer.ask("ping", names, question, WAIT_S)), len(names))

    async def ping_all() -> None:
        answered = await client.ping(timeout_s=WAIT_S)
        _require(sum(ms is not None for ms in answered.values()), len(names))

    async def floor() -> None:
        await bare.ask_everybody(len(names))

    ways = {"bare_ms": floor, "gather_ms": gather, "client_ms": ping_all}
    return {name: statistics.median(await latencies_ms(way, ASKED)) for name, way in ways.items()}


async def _start(fleet: Processes, names: Sequence[str], opened: AsyncExitStack) -> None:
    for first in range(0, len(names), NODES_A_PROCESS):
        await opened.enter_async_context(_light_nodes(fleet.url, names[first : first + NODES_A_PROCESS]))


@asynccontextmanager
async def _light_nodes(url: str, names: Sequence[str]) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.light_nodes", url, *names, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("the light nodes did not start; what they say stands above")
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _require(came: int, wanted: int) -> None:
    if came != wanted:
        raise RuntimeError(f"{came} of {wanted} nodes answered, so the figure would mean nothing")
