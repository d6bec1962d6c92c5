"""Rounds of two versions that take turns: both fleets stand side by side, and one rests while the other is measured."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from bench.against.checkout import Checkout
from bench.against.ratios import Ratio

__all__ = ["SCENARIOS", "compare"]

SCENARIOS = ("start", "commands", "search", "ping", "memory")
DRIVER = Path(__file__).with_name("driver.py")
STARTS = 10
READY_S, ROUND_S, CLOSE_S = 300.0, 600.0, 60.0

Figures = dict[str, float]


async def compare(old: Checkout, new: Checkout, rounds: int, scenarios: Iterable[str]) -> dict[str, Ratio]:
    """The ratios of all figures; the version that begins changes from round to round, and the first round warms up."""
    ratios: dict[str, Ratio] = {}
    for scenario in scenarios:
        ratios |= await (_compare_starts(old, new, rounds) if scenario == "start" else
                         _compare_driven(old, new, rounds, scenario))  # fmt: skip
    return ratios


async def _compare_driven(old: Checkout, new: Checkout, rounds: int, scenario: str) -> dict[str, Ratio]:
    async with _driver(old, scenario) as driven_old, _driver(new, scenario) as driven_new:
        pair = {"old": driven_old, "new": driven_new}
        figures: dict[str, list[Figures]] = defaultdict(list)
        for number in range(rounds + 1):
            for side in _order(number):
                measured = await pair[side].round()
                if number:
                    figures[side].append(measured)
                _tell(f"{scenario}: round {number} of {rounds}, {side}")
    return _ratios(figures)


async def _compare_starts(old: Checkout, new: Checkout, rounds: int) -> dict[str, Ratio]:
    """Starts of `fleetfold --version`, of which each round's figures are the medians; CPU time is less of a guess."""
    pair, figures = {"old": old, "new": new}, defaultdict(list)
    for number in range(rounds + 1):
        taken: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for turn in range(STARTS):
            for side in _order(turn):
                taken[side].append(await asyncio.to_thread(_start, pair[side]))
        if number:
            for side, starts in taken.items():
                wall, cpu = (statistics.median(values) for values in zip(*starts, strict=True))
                figures[side].append({"start_ms": wall, "start_cpu_ms": cpu})
    return _ratios(figures)


def _start(version: Checkout) -> tuple[float, float]:
    """Milliseconds of one start, and of its CPU time."""
    began = time.perf_counter()
    words = [str(version.command), "--version"]
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(words[0], words, version.environment(), file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}")
    return (time.perf_counter() - began) * 1000, (used.ru_utime + used.ru_stime) * 1000


class _Driver(msgspec.Struct, frozen=True):
    """A version's driver process, and what it is called in errors."""

    name: str
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader

    async def line(self, within_s: float) -> bytes:
        async with asyncio.timeout(within_s):
            found = await self.stdout.readline()
        if not found:
            raise RuntimeError(f"{self.name} ended; what it says stands above")
        return found

    async def round(self) -> Figures:
        self.stdin.write(b"round\n")
        return msgspec.json.decode(await self.line(ROUND_S), type=Figures)


@asynccontextmanager
async def _driver(version: Checkout, scenario: str) -> AsyncIterator[_Driver]:
    process = await asyncio.create_subprocess_exec(
        str(version.python), "-P", str(DRIVER), scenario, cwd=version.root, env=version.environment(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    driver = _Driver(f"the driver of {version.name}, {scenario},", process.stdin, process.stdout)
    try:
        await driver.line(READY_S)
        yield driver
    finally:
        process.stdin.close()  # its fleet stops in good order
        try:
            await asyncio.wait_for(process.wait(), CLOSE_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _order(number: int) -> tuple[str, str]:
    return ("old", "new") if number % 2 else ("new", "old")


def _ratios(figures: Mapping[str, list[Figures]]) -> dict[str, Ratio]:
    both = [name for name in figures["old"][0] if name in figures["new"][0]]
    return {
        name: Ratio(name, [one[name] for one in figures["old"]], [one[name] for one in figures["new"]]) for name in both
    }


def _tell(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
