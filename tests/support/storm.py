"""A storm over a fleet: seeded transactions and jobs, while kill -9 takes one process after the other.

What happened is read afterwards from the children's own tables, which nobody but their actions writes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fleetfold.client import Client
from fleetfold_shared.errors import DeadlineExceeded, NotFound, Overloaded, Unavailable
from fleetfold_shared.messages import Job, Rollback, StepSpec, TransactionView
from support.books import Mood
from support.fleet import Fleet

__all__ = ["CALM_S", "CHILDREN", "MOODS", "Aftermath", "Effect", "Strike", "sweep_over"]

T = TypeVar("T")

CHILDREN = ("blog", "crm", "shop")
CALM_S = 30.0
"""How long after the last restart everything has to end."""
BEGIN_WITHIN_S = 1.5
"""After which time its share of the work has been begun: some of it just before the strike, some behind it."""
MOODS: Sequence[Mood] = ("calm", "refuse", "overrun")


@dataclass(frozen=True, slots=True)
class Strike:
    """Who is killed at once, and whether the broker's streams go with it."""

    victims: tuple[str, ...]
    wipe: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """One row of a child's own table; `at` is in nanoseconds of the machine's monotonic clock."""

    child: str
    tx: str
    step: str
    stage: int
    what: str
    key: str
    at: int


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What the fleet says happened, and what the children's tables say."""

    transactions: list[TransactionView]
    jobs: list[Job]
    effects: list[Effect]

    def of(self, tx: str, what: str = "do") -> list[Effect]:
        """The effects of one transaction or job, in the order of time."""
        return sorted((e for e in self.effects if (e.tx, e.what) == (tx, what)), key=lambda effect: effect.at)


async def sweep_over(fleet: Fleet, seed: int, strikes: Sequence[Strike], *, transactions: int, jobs: int) -> Aftermath:
    """Start the children; begin a share of the work before each strike, in a seeded order; and wait for calm.

    `TimeoutError` when something has not ended 30 seconds after the last restart.
    """
    rng = random.Random(seed)
    await asyncio.gather(*(fleet.start_child(name) for name in CHILDREN))
    async with await fleet.client() as client, asyncio.TaskGroup() as begun:
        work = [_transact(client, rng, f"tx-{number}") for number in range(transactions)]
        work += [_run(client, rng, f"job-{number}") for number in range(jobs)]
        for number, strike in enumerate(rng.sample(strikes, len(strikes))):
            for one in work[number :: len(strikes)]:
                begun.create_task(_later(rng.uniform(0, BEGIN_WITHIN_S), one))
            await _strike(fleet, rng, strike)
        views, done = await _outcomes(client, transactions, jobs)
    effects = [Effect(child, **row) for child in CHILDREN for row in fleet.effects(child)]
    return Aftermath(views, done, effects)


async def _strike(fleet: Fleet, rng: random.Random, strike: Strike) -> None:
    await asyncio.sleep(rng.uniform(0.2, 1.0))
    await fleet.kill(*strike.victims)
    if strike.wipe:
        fleet.wipe_streams()
    await asyncio.sleep(rng.uniform(0, 0.5))
    await fleet.restart(*strike.victims)


async def _outcomes(client: Client, transactions: int, jobs: int) -> tuple[list[TransactionView], list[Job]]:
    """How each ended; what was not accepted yet is waited for too."""

    async def transaction(key: str) -> TransactionView:
        return await _insist(lambda: client.transactions.wait(key, CALM_S))

    async def job(key: str) -> Job:
        return await _insist(lambda: client.jobs.wait(key, CALM_S))

    async with asyncio.timeout(CALM_S):
        views = asyncio.gather(*(transaction(f"tx-{number}") for number in range(transactions)))
        done = asyncio.gather(*(job(f"job-{number}") for number in range(jobs)))
        return await views, await done


async def _later(seconds: float, begin: Callable[[], Awaitable[object]]) -> None:
    await asyncio.sleep(seconds)
    await _insist(begin)


async def _insist(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until it is accepted: its id makes that safe."""
    while True:
        try:
            return await ask()
        except (NotFound, Unavailable, DeadlineExceeded, Overloaded):
            await asyncio.sleep(0.1)


def _transact(client: Client, rng: random.Random, tx: str) -> Callable[[], Awaitable[object]]:
    """Three stages, the first of one or two steps."""
    stages = [0, 1, 2] if rng.random() < 0.5 else [0, 0, 1, 2]
    steps = [_step(rng, tx, f"step_{number}", stage) for number, stage in enumerate(stages)]
    return lambda: client.transact(steps, id=tx, detach=True)


def _step(rng: random.Random, tx: str, name: str, stage: int) -> StepSpec:
    [mood] = rng.choices(MOODS, (84, 8, 8))
    where: dict[str, Any] = {"tx": tx, "step": name, "stage": stage}
    action = rng.choice(["enter", "post"])
    rollback = Rollback("strike", {"entry": "{{entry}}"}) if action == "enter" else Rollback("withdraw", where)
    return StepSpec(
        name=name, node=rng.choice(CHILDREN), action=action, stage=stage, rollback=rollback,
        params={**where, "mood": mood, "seconds": rng.choice([0.0, 0.1, 0.4, 1.0])},
        timeout_s=1.0 if mood == "overrun" else 20.0,
    )  # fmt: skip


def _run(client: Client, rng: random.Random, job: str) -> Callable[[], Awaitable[object]]:
    action, child = rng.choice(["enter", "post", "phone"]), rng.choice(CHILDREN)
    params = {"tx": job, "seconds": rng.choice([0.0, 0.0, 0.5])}
    return lambda: client.run(action, params, nodes=[child], id=job, detach=True)
