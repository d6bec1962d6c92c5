"""What identity costs: connections, a storm of them, revoking; pings, commands and transactions with it and without.

The two fleets of a comparison stand side by side and take turns: `on` has identity, `off` is insecure.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

from bench import connecting, revoking, storm
from bench.commands import IN_FLIGHT, Desk
from bench.fanout import ASKED, SIZES, Asking
from bench.processes import Processes, running_fleet
from bench.rounds import medians, side_by_side_ms

__all__ = ["commands", "measure", "ping_all", "with_ratios"]


async def measure(rounds: int) -> dict[str, Any]:
    """The figures of each part."""
    return {
        "connections": await connecting.measure(rounds),
        "storm": await storm.measure(rounds),
        "revoke": await revoking.measure(),
        "ping_all": await ping_all(rounds),
        "commands": await commands(rounds),
    }


async def ping_all(rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of a ping of all, by how many nodes there are. The two fleets take turns ping by ping."""
    async with _both() as fleets, Asking.open(fleets["on"]) as on, Asking.open(fleets["off"]) as off:
        return {str(size): await _pings({"on": on, "off": off}, size, rounds) for size in SIZES}


async def commands(rounds: int) -> dict[str, dict[str, float]]:
    """Commands and transactions a second, by how many are in flight. The two fleets take turns round by round."""
    async with _both() as fleets:
        desks = {name: await Desk.open(fleet) for name, fleet in fleets.items()}
        return {str(number): await _commands(desks, number, rounds) for number in IN_FLIGHT}


def with_ratios(figures: Mapping[str, float]) -> dict[str, float]:
    """The figures, and each one `on` in proportion to the same one `off`."""
    pairs = {name.removeprefix("on_"): name for name in figures if name.startswith("on_")}
    ratios = {f"{what}_ratio": round(figures[on] / figures[f"off_{what}"], 3) for what, on in pairs.items()}
    return {**figures, **ratios}


async def _pings(asking: Mapping[str, Asking], size: int, rounds: int) -> dict[str, float]:
    ways = {f"{name}_{way}_ms": work for name, each in asking.items() for way, work in (await each.ways(size)).items()}
    measured = [
        {name: median(took) for name, took in (await side_by_side_ms(ways, ASKED)).items()} for _ in range(rounds + 1)
    ]
    return with_ratios(medians(measured[1:]))  # the first one warms up


async def _commands(desks: Mapping[str, Desk], in_flight: int, rounds: int) -> dict[str, float]:
    async def both() -> dict[str, float]:
        measured = {name: await desk.round(in_flight) for name, desk in desks.items()}
        return {f"{name}_{what}": figure for name, figures in measured.items() for what, figure in figures.items()}

    return with_ratios(medians([await both() for _ in range(rounds + 1)][1:]))  # the first one warms up


@asynccontextmanager
async def _both() -> AsyncIterator[dict[str, Processes]]:
    async with running_fleet() as on, running_fleet(insecure=True) as off:
        yield {"on": on, "off": off}
