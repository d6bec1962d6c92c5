"""`python bench/chaos.py --seed S --transactions N`: transactions while everything breaks; then the books are read.

Random transactions over three children run while processes are killed, frozen, hung and replaced, connections are cut,
volumes are full, clocks are wrong, and files are lost, older or damaged: `--list-faults` prints the table of what is
broken and how it is healed. What happened is read from tables that only the children's own actions write.

Exit code 1 when a promise was broken, or something had not ended after 30 seconds of calm. What the product says that
an operator must decide is counted, and no violation. `--mutant` breaks fleetfold first (see bench/mutants): then 1 is
what is wanted.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # the fleet of processes is the tests' own

from bench.balance import Balance, Circumstances, balance  # noqa: E402 (the path is set above)
from bench.chaos_operator import ChaosOperator  # noqa: E402 (the path is set above)
from bench.chaos_scene import Scene, Setting, running_scene  # noqa: E402 (the path is set above)
from bench.chaos_work import Plan, calm, plans, work  # noqa: E402 (the path is set above)
from bench.havoc import FAULTS, Havoc, chosen, setting_for  # noqa: E402 (the path is set above)
from fleetfold.client import Client  # noqa: E402 (the path is set above)
from fleetfold_broker.jetstream.topology import ACK_WAIT_S  # noqa: E402 (the path is set above)
from fleetfold_shared.ids import new_id  # noqa: E402 (the path is set above)
from support.postgres import running_postgres  # noqa: E402 (the path is set above)
from support.wait import eventually  # noqa: E402 (the path is set above)

__all__ = ["Report", "chaos"]

STANDING_S = 60.0
"""Within this time every node is there again: one whose credentials were refused tries again after 30 to 45 s."""
LATE_S = ACK_WAIT_S + 2.0
"""What the broker still holds comes again within this time; it must not take effect any more."""


class Report(NamedTuple):
    """How one seed went."""

    seed: int
    ended: Counter[str]
    blows: Counter[str]
    told: Counter[str]
    broken: list[str]
    seconds: float

    def __str__(self) -> str:
        parts = [f"{_counted(self.ended)}; {_counted(self.blows)}"]
        if self.told:
            parts.append(f"told: {_counted(self.told)}")
        return f"seed {self.seed}: {'; '.join(parts)}; {self.seconds:.0f} s; {len(self.broken)} violations"


async def chaos(
    seed: int, transactions: int, strikes: int, place: Path, setting: Setting, names: Sequence[str] = ()
) -> Report:
    """One fleet in `place`, `transactions` of them while faults of these names are caused, at least so many, and what
    came of it.
    """
    started, rng = time.monotonic(), random.Random(seed)
    async with running_scene(place, setting, random.Random(seed + 1_000_000)) as scene:
        havoc, over = Havoc(scene, chosen(names, setting)), asyncio.Event()
        async with await scene.fleet.client() as client:
            operator = ChaosOperator(scene, client)
            watching = asyncio.create_task(operator.run())
            raging = asyncio.create_task(havoc.rage(over))
            given = plans(rng, transactions)
            await work(client, given, lambda part: havoc.until(int(part * strikes)))
            over.set()
            await raging
            found, ended = await _aftermath(scene, client, operator, given)
            watching.cancel()
    found.told.update(scene.told)
    return Report(seed, ended, havoc.counts, found.told, found.violations, time.monotonic() - started)


async def _aftermath(
    scene: Scene, client: Client, operator: ChaosOperator, given: Sequence[Plan]
) -> tuple[Balance, Counter[str]]:
    """Wait for calm, which begins when all nodes are there again, and compare."""
    with suppress(TimeoutError):
        await eventually(operator.settled, STANDING_S)
    views = await calm(client, given, send_again=scene.restored_master)
    missing = await scene.missing_documents(client)
    await asyncio.sleep(LATE_S)
    circumstances = Circumstances(scene.set_back, scene.zombies, operator.denied, scene.restored_master)
    found = balance(views, scene.effects(), circumstances)
    there = {view.id for view in views}
    found.violations.extend(f"{plan.tx}: it is not known" for plan in given if plan.tx not in there)
    found.violations.extend(await operator.unsettled())
    if missing:
        found.violations.append(f"a search misses {missing} documents")
    return found, Counter(view.state for view in views)


@contextmanager
def _databases(kind: str) -> Iterator[Iterator[str | None]]:
    """A new database of the masters for each seed."""
    if kind == "sqlite":
        yield repeat(None)
        return
    with running_postgres() as cluster:

        def new() -> Iterator[str | None]:
            while True:
                name = f"chaos_{new_id()}"
                cluster.execute(f"CREATE DATABASE {name}")
                yield cluster.url(name)

        yield new()


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(counts.items()))


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="bench/chaos.py", description="transactions while everything breaks")
    options.add_argument("--seed", type=int, default=1, help="the first seed; 1")
    options.add_argument("--seeds", type=int, default=1, help="how many seeds, one after the other; 1")
    options.add_argument("--transactions", type=int, default=100, help="how many for each seed; 100")
    options.add_argument("--strikes", type=int, default=8, help="at least so many faults meanwhile; 8")
    options.add_argument("--masters", type=int, default=1, help="so many over one database, struck in turn; 1")
    options.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite", help="the masters'; sqlite")
    options.add_argument("--faults", default="", metavar="A,B", help="only these, see --list-faults; all with a weight")
    options.add_argument("--list-faults", action="store_true", help="print the table of faults, and do nothing")
    options.add_argument("--keep", type=Path, metavar="DIR", help="leave the files of each seed here")
    options.add_argument("--mutant", help="break a promise first, by its name in bench/mutants")
    return options


def main() -> int:
    given = _options().parse_args()
    names = [name.strip() for name in given.faults.split(",") if name.strip()]
    if unknown := set(names) - {fault.name for fault in FAULTS}:
        _options().error(f"there is no fault {', '.join(sorted(unknown))}; see --list-faults")
    if given.list_faults:
        print("\n".join(f"{one.name:24} {one.weight}  {one.breaks}; healed: {one.heals}" for one in FAULTS))
        return 0
    if given.mutant is not None:
        os.environ["FLEETFOLD_MUTANT"] = given.mutant
    broken = told = 0
    with _databases(given.database) as databases:
        for seed in range(given.seed, given.seed + given.seeds):
            with _place(given.keep, seed) as place:
                setting = setting_for(names, given.masters, next(databases))
                report = asyncio.run(chaos(seed, given.transactions, given.strikes, place, setting, names))
            print(report, flush=True)
            for line in report.broken:
                print(f"  {line}", flush=True)
            broken, told = broken + len(report.broken), told + sum(report.told.values())
    print(f"{given.seeds * given.transactions} transactions, {broken} violations, {told} times told")
    return 1 if broken else 0


@contextmanager
def _place(kept: Path | None, seed: int) -> Iterator[Path]:
    """A folder for one seed, deleted at its end unless it is `kept`."""
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="fleetfold-chaos-") as temporary:
            yield Path(temporary)
        return
    place = kept / f"seed-{seed}"
    place.mkdir(parents=True, mode=0o700)
    yield place


if __name__ == "__main__":
    sys.exit(main())
