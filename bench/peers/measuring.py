"""Durable commands that do nothing, a second: fleetfold beside dramatiq and Celery, with the same promise of fsync.

`lazily`: what is acknowledged is on disk some time later (JetStream's default, Redis `appendfsync everysec`).
`always`: before it is acknowledged (`sync: always`, `appendfsync always`). fleetfold's own databases sync before each
answer in both. Each has one worker process with room for 100 at once, and answers every call with its result.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from bench.commands import IN_FLIGHT, Desk
from bench.peers.redis import Redis, environment, running_redis
from bench.processes import cpu_of, running_fleet
from bench.rounds import medians

__all__ = ["measure"]

FSYNC = {"lazily": ("2m", "everysec"), "always": ("always", "always")}
COUNT = {1: 300, 10: 1000, 100: 3000}
WORKERS: Mapping[str, tuple[str, ...]] = {
    "dramatiq": ("dramatiq", "bench.peers.with_dramatiq", "--processes", "1", "--threads", "100"),
    "celery": ("celery", "-A", "bench.peers.with_celery", "worker", "-P", "threads", "-c", "100"),
}
WARM_S = 3.0


async def measure(rounds: int) -> dict[str, Any]:
    """Figures by promise, by who, by how many were in flight; who is not installed is left out, and named."""
    there = {name: _installed(name) for name in WORKERS}
    figures: dict[str, Any] = {"left_out": sorted(name for name, found in there.items() if not found)}
    for fsync, (jetstream, redis) in FSYNC.items():
        figures[fsync] = {"fleetfold": await _fleetfold(jetstream, rounds)}
        for name in filter(there.get, WORKERS):
            figures[fsync][name] = await _peer(name, redis, rounds)
        ours = figures[fsync]["fleetfold"]
        for name in filter(there.get, WORKERS):
            figures[fsync][f"fleetfold_to_{name}_ratio"] = {
                number: round(ours[number]["command_per_s"] / each["per_s"], 2)
                for number, each in figures[fsync][name].items()
            }  # fmt: skip
    return figures


async def _fleetfold(sync: str, rounds: int) -> dict[str, dict[str, float]]:
    async with running_fleet(sync=sync) as fleet:
        desk = await Desk.open(fleet)
        await desk.round(10)  # the first one warms up
        return {str(number): medians([await desk.round(number) for _ in range(rounds)]) for number in IN_FLIGHT}


async def _peer(name: str, appendfsync: str, rounds: int) -> dict[str, dict[str, float]]:
    with running_redis(appendfsync) as redis, redis.worker(*WORKERS[name]):
        await asyncio.sleep(WARM_S)
        await _round(name, redis, 10)
        return {
            str(number): medians([await _round(name, redis, number) for _ in range(rounds)]) for number in IN_FLIGHT
        }


async def _round(name: str, redis: Redis, in_flight: int) -> dict[str, float]:
    before = {who: cpu_of(pid) for who, pid in redis.pids.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.peers.client", f"bench.peers.with_{name}", str(in_flight), str(COUNT[in_flight]),
        stdout=asyncio.subprocess.PIPE, env=environment(redis.url),
    )  # fmt: skip
    out, _ = await process.communicate()
    said = json.loads(out)
    spent = {who: (cpu_of(pid) or 0.0) - (before[who] or 0.0) for who, pid in redis.pids.items()}
    cpu_s = said.pop("cpu_s") + sum(spent.values())
    return {**said, "cpu_us": cpu_s / COUNT[in_flight] * 1e6}


def _installed(name: str) -> bool:
    return shutil.which("redis-server") is not None and importlib.util.find_spec(name) is not None
