"""`python bench/chaos.py --seed S --transactions N`: transactions while everything dies; then the books are read.

Random transactions over three children run while masters, children and the broker are killed with -9, stopped beyond
every timeout, the children's wires are cut, and the broker's store is deleted. What happened is read from tables that
only the children's own actions write. Exit code 1 when a promise was broken, or something had not ended after 30
seconds of calm. `--mutant` breaks fleetfold first (see bench/mutants): then 1 is what is wanted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # the children's actions and the fleet of processes are the tests' own

from bench.balance import violations  # noqa: E402
from bench.chaos_work import steps_of  # noqa: E402
from bench.havoc import Havoc  # noqa: E402
from bench.wire import Wire  # noqa: E402
from fleetfold.client import Client  # noqa: E402
from fleetfold_broker.jetstream.topology import ACK_WAIT_S  # noqa: E402
from fleetfold_shared.errors import Conflict, DeadlineExceeded, NotFound, Overloaded, Unavailable  # noqa: E402
from fleetfold_shared.messages import StepSpec, TransactionView  # noqa: E402
from support.fleet import Fleet, running_fleet  # noqa: E402
from support.storm import CALM_S, CHILDREN, Effect  # noqa: E402

__all__ = ["Report", "chaos"]

T = TypeVar("T")

AT_ONCE = 12
"""So many transactions are under way at any time."""
LONG_POLL_S = 5.0
LATE_S = ACK_WAIT_S + 2.0
"""What the broker still holds comes again within this time; it must not take effect any more."""
WITHIN_S = (0.5, 4.0)
HURRIED, CANCELLED = 0.1, 0.05
"""Shares of transactions that have so long for the whole, or are cancelled soon after they began."""
MUTANTS = ROOT / "bench" / "mutants"


class _Plan(NamedTuple):
    """A transaction, the time it has for the whole, and after how long somebody cancels it."""

    tx: str
    steps: list[StepSpec]
    within_s: float | None
    cancelled_after_s: float | None

    @classmethod
    def drawn(cls, rng: random.Random, tx: str) -> _Plan:
        within_s = rng.uniform(*WITHIN_S) if rng.random() < HURRIED else None
        return cls(tx, steps_of(rng, tx), within_s, rng.random() if rng.random() < CANCELLED else None)

    async def carry_out(self, client: Client) -> None:
        """Return when it has ended, or has had its time."""
        await _insist(lambda: client.transact(self.steps, id=self.tx, detach=True, within_s=self.within_s))
        if self.cancelled_after_s is not None:
            await asyncio.sleep(self.cancelled_after_s)
            with suppress(Conflict):  # too late
                await _insist(lambda: client.transactions.cancel(self.tx))
        await _insist(lambda: client.transactions.wait(self.tx, LONG_POLL_S))


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


async def chaos(seed: int, transactions: int, place: Path, masters: int = 1, mutant: str | None = None) -> Report:
    """One fleet in `place`, `transactions` of them while it is struck, and what came of it."""
    started, rng = time.monotonic(), random.Random(seed)
    async with running_fleet(place) as fleet, AsyncExitStack() as wired:
        if mutant is not None:
            os.environ["FLEETFOLD_MUTANT"] = mutant
            os.environ["PYTHONPATH"] = os.pathsep.join([str(MUTANTS), os.environ["PYTHONPATH"]])
        await fleet.start_core()
        wires = {name: await wired.enter_async_context(_wire(fleet)) for name in CHILDREN}
        names = ["master", *(f"master-{number}" for number in range(2, masters + 1))]
        for name in names[1:]:
            await fleet.start_second_master(name)
        await asyncio.gather(*(_start_child(fleet, name, wires[name]) for name in CHILDREN))
        havoc, over = Havoc(fleet, random.Random(seed + 1_000_000), wires, names), asyncio.Event()
        async with await fleet.client() as client:
            raging = asyncio.create_task(havoc.rage(over))
            await _work(client, rng, transactions)
            over.set()
            await raging
            views = await _calm(client, transactions)
            await asyncio.sleep(LATE_S)
        effects = [Effect(child, **row) for child in CHILDREN for row in fleet.effects(child)]
    broken = violations(views, effects)
    broken += [f"tx-{number}: it had not ended after {CALM_S:g} s of calm" for number in _missing(views, transactions)]
    states = Counter(view.state for view in views)
    return Report(seed, Counter(states), havoc.counts, broken, time.monotonic() - started)


def _wire(fleet: Fleet) -> Wire:
    return Wire("127.0.0.1", int(fleet.url.rpartition(":")[2]))


async def _start_child(fleet: Fleet, name: str, wire: Wire) -> None:
    """A child that knows the broker by its wire only, and so cannot invite itself."""
    async with await fleet.client() as client:
        invited = await client.nodes.invite(name)
    await fleet.start_child(name, "--url", wire.url, "--join", invited.token)


async def _work(client: Client, rng: random.Random, transactions: int) -> None:
    """Begin all of them, each when one before it has ended or has had its time."""
    plans = iter([_Plan.drawn(rng, f"tx-{number}") for number in range(transactions)])

    async def keep_on() -> None:
        for plan in plans:
            await plan.carry_out(client)

    await asyncio.gather(*(keep_on() for _ in range(AT_ONCE)))


async def _calm(client: Client, transactions: int) -> list[TransactionView]:
    """How those ended that did, within the calm."""

    async def one(tx: str) -> TransactionView | None:
        try:
            async with asyncio.timeout(CALM_S):
                while True:
                    view = await _insist(lambda: client.transactions.wait(tx, LONG_POLL_S))
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
    options.add_argument(
        "--mutant", help="break this promise first: no-tombstone, early-answer, no-fence (of several masters)"
    )
    options.add_argument("--masters", type=int, default=1, help="so many over one database, struck in turn; 1")
    given = options.parse_args()
    broken = 0
    for seed in range(given.seed, given.seed + given.seeds):
        with tempfile.TemporaryDirectory(prefix="fleetfold-chaos-") as place:
            report = asyncio.run(chaos(seed, given.transactions, Path(place), given.masters, given.mutant))
        print(report, flush=True)
        for line in report.broken:
            print(f"  {line}", flush=True)
        broken += len(report.broken)
    print(f"{given.seeds * given.transactions} transactions, {broken} violations")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
