"""`python bench/chaos.py --seed S --transactions N`: transactions while everything dies; then the books are read.

Random transactions over three children run while masters, children and the broker are killed with -9, stopped beyond
every timeout, and the broker's store is deleted. What happened is read from tables that only the children's own
actions write. Exit code 1 when a promise was broken, or something had not ended after 30 seconds of calm.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # the children's actions and the fleet of processes are the tests' own

from bench.balance import violations  # noqa: E402
from bench.chaos_work import steps_of  # noqa: E402
from bench.havoc import Havoc  # noqa: E402
from fleetfold.client import Client  # noqa: E402
from fleetfold_shared.errors import DeadlineExceeded, NotFound, Overloaded, Unavailable  # noqa: E402
from fleetfold_shared.messages import TransactionView  # noqa: E402
from support.fleet import running_fleet  # noqa: E402
from support.storm import CALM_S, CHILDREN, Effect  # noqa: E402

__all__ = ["Report", "chaos"]

T = TypeVar("T")

AT_ONCE = 12
"""So many transactions are under way at any time."""
LONG_POLL_S = 5.0


class Report(NamedTuple):
    """How one seed went."""

    seed: int
    ended: Counter[str]
    blows: Counter[str]
    broken: list[str]
    seconds: float

    def __str__(self) -> str:
        blows = ", ".join(f"{count} x {name}" for name, count in sorted(self.blows.items()))
        ended = ", ".join(f"{count} {state}" for state, count in sorted(self.ended.items()))
        return f"seed {self.seed}: {ended}; {blows}; {self.seconds:.0f} s; {len(self.broken)} violations"


async def chaos(seed: int, transactions: int, place: Path, masters: int = 1) -> Report:
    """One fleet in `place`, `transactions` of them while it is struck, and what came of it."""
    started, rng = time.monotonic(), random.Random(seed)
    async with running_fleet(place) as fleet:
        await fleet.start_core()
        names = ["master", *(f"master-{number}" for number in range(2, masters + 1))]
        for name in names[1:]:
            await fleet.start_second_master(name)
        await asyncio.gather(*(fleet.start_child(name) for name in CHILDREN))
        havoc, over = Havoc(fleet, random.Random(seed + 1_000_000), masters=names), asyncio.Event()
        async with await fleet.client() as client:
            raging = asyncio.create_task(havoc.rage(over))
            await _work(client, rng, transactions)
            over.set()
            await raging
            views = await _calm(client, transactions)
        effects = [Effect(child, **row) for child in CHILDREN for row in fleet.effects(child)]
    broken = violations(views, effects)
    broken += [f"tx-{number}: it had not ended after {CALM_S:g} s of calm" for number in _missing(views, transactions)]
    states = Counter(view.state for view in views)
    return Report(seed, Counter(states), havoc.counts, broken, time.monotonic() - started)


async def _work(client: Client, rng: random.Random, transactions: int) -> None:
    """Begin all of them, each when one before it has ended or has had its time."""
    plans = iter([(f"tx-{number}", steps_of(rng, f"tx-{number}")) for number in range(transactions)])

    async def keep_on() -> None:
        for tx, steps in plans:
            await _insist(lambda tx=tx, steps=steps: client.transact(steps, id=tx, wait=False))  # type: ignore[misc]
            await _insist(lambda tx=tx: client.wait_transaction(tx, LONG_POLL_S))  # type: ignore[misc]

    await asyncio.gather(*(keep_on() for _ in range(AT_ONCE)))


async def _calm(client: Client, transactions: int) -> list[TransactionView]:
    """How those ended that did, within the calm."""

    async def one(tx: str) -> TransactionView | None:
        try:
            async with asyncio.timeout(CALM_S):
                while True:
                    view = await _insist(lambda: client.wait_transaction(tx, LONG_POLL_S))
                    if view is not None and view.ended_at is not None:
                        return view
        except TimeoutError:
            return None

    views = await asyncio.gather(*(one(f"tx-{number}") for number in range(transactions)))
    return [view for view in views if view is not None]


async def _insist(ask: Callable[[], Awaitable[T]]) -> T | None:
    """Ask until it is accepted: its id makes that safe. None when it only takes longer."""
    while True:
        try:
            return await ask()
        except DeadlineExceeded:
            return None
        except (NotFound, Unavailable, Overloaded):
            await asyncio.sleep(0.1)


def _missing(views: list[TransactionView], transactions: int) -> list[int]:
    there = {view.id for view in views}
    return [number for number in range(transactions) if f"tx-{number}" not in there]


def main() -> int:
    options = argparse.ArgumentParser(prog="bench/chaos.py", description="transactions while everything dies")
    options.add_argument("--seed", type=int, default=1, help="the first seed; 1")
    options.add_argument("--seeds", type=int, default=1, help="how many seeds, one after the other; 1")
    options.add_argument("--transactions", type=int, default=100, help="how many for each seed; 100")
    options.add_argument("--masters", type=int, default=1, help="so many over one database, struck in turn; 1")
    given = options.parse_args()
    broken = 0
    for seed in range(given.seed, given.seed + given.seeds):
        with tempfile.TemporaryDirectory(prefix="fleetfold-chaos-") as place:
            report = asyncio.run(chaos(seed, given.transactions, Path(place), given.masters))
        print(report, flush=True)
        for line in report.broken:
            print(f"  {line}", flush=True)
        broken += len(report.broken)
    print(f"{given.seeds * given.transactions} transactions, {broken} violations")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
