"""Connections a second through the auth callout, against the same server without it; and what each costs whom.

Plain nats-py connects, flushes and parts, in processes of its own. They show a node's access token.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from bench.connect import Did, Spec
from bench.members import enrolled
from bench.processes import HERE, Processes, cpu_spent, running_fleet
from bench.rounds import medians
from bench.workers import worker

__all__ = ["measure"]

NAME = "visitor"
WORKERS, IN_FLIGHT = 2, 32
CONNECTIONS = 3000


async def measure(rounds: int) -> dict[str, Any]:
    """Connections a second with identity (`on`) and without (`off`), and the CPU microseconds of each by process."""
    async with running_fleet() as on, running_fleet(insecure=True) as off:
        token = (await (await on.client()).nodes.invite(NAME)).token
        member = await enrolled(NAME, on.url, on.data, token)
        tokens = {"on": (on, member.token()), "off": (off, None)}
        measured = [await _round(tokens) for _ in range(rounds + 1)]
    figures = medians(measured[1:])  # the first one warms up
    return {**figures, "on_to_off_ratio": round(figures["on_per_s"] / figures["off_per_s"], 3)}


async def _round(tokens: Mapping[str, tuple[Processes, str | None]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, (fleet, token) in tokens.items():
        before = fleet.cpu_s()
        did = await _connect(Spec(fleet.url, NAME, token, CONNECTIONS // WORKERS, IN_FLIGHT))
        spent = cpu_spent(before, {**fleet.cpu_s(), HERE: before[HERE] + sum(each.cpu_s for each in did)}, CONNECTIONS)
        took_s = max(each.ended for each in did) - min(each.began for each in did)
        figures[f"{name}_per_s"] = CONNECTIONS / took_s
        figures |= {f"{name}_cpu_us_{process}": used for process, used in spent.items()}
    return figures


async def _connect(spec: Spec) -> list[Did]:
    async with AsyncExitStack() as opened:
        workers = [await opened.enter_async_context(worker("bench.connect", spec)) for _ in range(WORKERS)]
        for each in workers:
            each.stdin.write(b"\n")
        return [msgspec.json.decode(await each.stdout.readline(), type=Did) for each in workers]
