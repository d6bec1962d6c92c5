"""Ping all: one question to 10 and to 100 nodes, and the last answer; against nats-py alone with the same processes.

`gather` is the broker room by itself, `client` the whole way through the master. The floor is one publication and
as many replies, which is the least that nats-py can do; no node is known there, and none can be missed. It stands on a
server of its own, where nobody is asked who he is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from typing import Any, Self

from bench.bare import BareBus
from bench.crowd import Crowd
from bench.processes import Processes, bare_broker, running_fleet
from bench.rounds import Work, latencies_ms, medians
from fleetfold.client import Client
from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.options import ConnectionOptions
from fleetfold_broker.rpc.scatter import ScatterClient
from fleetfold_shared.messages import NodeList, encode

__all__ = ["ASKED", "SIZES", "Asking", "measure"]

SIZES = (10, 100)
ASKED = 200
WAIT_S = 5.0


class Asking:
    """Light nodes of a fleet, and two ways to ask all of them."""

    def __init__(self, client: Client, gatherer: ScatterClient, crowd: Crowd) -> None:
        self._client, self._gatherer, self._crowd = client, gatherer, crowd
        self._question = encode(NodeList())

    @classmethod
    @asynccontextmanager
    async def open(cls, fleet: Processes, floor: str | None = None) -> AsyncIterator[Self]:
        """No nodes yet. The gatherer has a bus as a master's is; each node gets a bare one beside it at `floor`."""
        client, keys = await fleet.client(), fleet.keys()
        options = ConnectionOptions(url=fleet.url, caller="bench-gather", seed=keys.fleet if keys else "")
        async with await Bus.open(options) as bus, Crowd(fleet, client, floor) as crowd:
            gatherer = ScatterClient(bus)
            await gatherer.start()
            yield cls(client, gatherer, crowd)

    async def ways(self, size: int) -> dict[str, Work]:
        """See to it that there are `size` nodes; each way fails if one of them does not answer."""
        await self._crowd.grow(size)
        return {"gather": self._gather, "client": self._ping_all}

    async def _gather(self) -> None:
        _require(len(await self._gatherer.ask("ping", self._crowd.names, self._question, WAIT_S)), self._crowd)

    async def _ping_all(self) -> None:
        answered = await self._client.nodes.ping(timeout_s=WAIT_S)
        _require(sum(ms is not None for ms in answered.values()), self._crowd)


async def measure(rounds: int) -> dict[str, Any]:
    """Figures by how many nodes there were: the median milliseconds of a ping of all of them."""
    async with (
        bare_broker() as floor, await BareBus.connect(floor) as bare,
        running_fleet() as fleet, Asking.open(fleet, floor) as asking,
    ):  # fmt: skip
        return {str(size): await _at({"bare": _ask_bare(bare, size), **await asking.ways(size)}, rounds)
                for size in SIZES}  # fmt: skip


async def _at(ways: dict[str, Work], rounds: int) -> dict[str, float]:
    measured = [
        {f"{name}_ms": median(await latencies_ms(way, ASKED)) for name, way in ways.items()} for _ in range(rounds + 1)
    ]
    figures = medians(measured[1:])  # the first one warms up
    ratios = {f"{name}_ratio": round(figures[f"{name}_ms"] / figures["bare_ms"], 2) for name in ("gather", "client")}
    return {**figures, **ratios}


def _ask_bare(bare: BareBus, nodes: int) -> Work:
    return lambda: bare.ask_everybody(nodes)


def _require(came: int, crowd: Crowd) -> None:
    if came != len(crowd.names):
        raise RuntimeError(f"{came} of {len(crowd.names)} nodes answered, so the figure would mean nothing")
