"""Random transactions over three children whose actions keep books: every kind of action, stages, parallel steps,
refusals, steps that take longer than they may, a time for the whole, and cancelling.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from fleetfold.client import Client
from fleetfold_shared.errors import Conflict, DeadlineExceeded, NotFound, Overloaded, Unavailable
from fleetfold_shared.messages import Rollback, StepSpec, TransactionView
from support.storm import CALM_S, CHILDREN, MOODS

__all__ = ["Plan", "calm", "plans", "work"]

T = TypeVar("T")

KINDS = ("enter", "post", "phone", "wire")
"""Transactional, idempotent, once, and once with a check: see `chaos_books`."""
ODDS = (86, 7, 7)
PATIENCE_S = {"overrun": 1.0}
LONGEST_S = 20.0
AT_ONCE = 12
"""So many transactions are under way at any time."""
LONG_POLL_S = 5.0
WITHIN_S = (0.5, 4.0)
HURRIED, CANCELLED = 0.1, 0.05
"""Shares of transactions that have so long for the whole, or are cancelled soon after they began."""
ENDED = ("committed", "rolled_back", "parked")


class Plan(NamedTuple):
    """A transaction, the time it has for the whole, and after how long somebody cancels it."""

    tx: str
    steps: list[StepSpec]
    within_s: float | None
    cancelled_after_s: float | None

    @classmethod
    def drawn(cls, rng: random.Random, tx: str) -> Plan:
        """Draw one."""
        within_s = rng.uniform(*WITHIN_S) if rng.random() < HURRIED else None
        return cls(tx, _steps_of(rng, tx), within_s, rng.random() if rng.random() < CANCELLED else None)

    async def carry_out(self, client: Client) -> None:
        """Return when it has ended, or has had its time."""
        await self.begin(client)
        if self.cancelled_after_s is not None:
            await asyncio.sleep(self.cancelled_after_s)
            with suppress(Conflict, NotFound):  # too late; or it must be sent again
                await _insist(lambda: client.transactions.cancel(self.tx))
        with suppress(NotFound):
            await _insist(lambda: client.transactions.wait(self.tx, LONG_POLL_S))

    async def begin(self, client: Client) -> None:
        """Have it accepted."""
        await _insist(lambda: client.transact(self.steps, id=self.tx, detach=True, within_s=self.within_s))


def plans(rng: random.Random, transactions: int) -> list[Plan]:
    """Draw so many."""
    return [Plan.drawn(rng, f"tx-{number}") for number in range(transactions)]


async def work(client: Client, given: Sequence[Plan], pace: Callable[[float], Awaitable[None]]) -> None:
    """Begin all of them, each when one before it has ended or has had its time, and `pace` allows it: awaited with the
    part of them that has begun.
    """
    waiting = iter(enumerate(given))

    async def keep_on() -> None:
        for number, plan in waiting:
            await pace(number / len(given))
            await plan.carry_out(client)

    await asyncio.gather(*(keep_on() for _ in range(AT_ONCE)))


async def calm(client: Client, given: Sequence[Plan], *, send_again: bool) -> list[TransactionView]:
    """How each is after the calm, or when it has ended; those are left out that the fleet does not know. With
    `send_again`, callers send these again.
    """

    async def one(plan: Plan) -> TransactionView | None:
        view: TransactionView | None = None
        with suppress(TimeoutError, NotFound):
            async with asyncio.timeout(CALM_S):
                while True:
                    try:
                        view = await _insist(lambda: client.transactions.wait(plan.tx, LONG_POLL_S)) or view
                    except NotFound:
                        if not send_again:
                            raise
                        await plan.begin(client)
                        continue
                    if view is not None and view.state in ENDED:
                        return view
        with suppress(NotFound, DeadlineExceeded):
            return view or await client.transactions.get(plan.tx)
        return None

    views = await asyncio.gather(*(one(plan) for plan in given))
    return [view for view in views if view is not None]


async def _insist(ask: Callable[[], Awaitable[T]]) -> T | None:
    """Ask until it is accepted: its id makes that safe. None when it only takes longer."""
    while True:
        try:
            return await ask()
        except DeadlineExceeded:
            return None
        except (Unavailable, Overloaded):
            await asyncio.sleep(0.1)


def _steps_of(rng: random.Random, tx: str) -> list[StepSpec]:
    """One to three stages of one to three steps."""
    stages = [stage for stage in range(rng.randint(1, 3)) for _ in range(rng.choice((1, 1, 2, 3)))]
    return [_step(rng, tx, f"step_{number}", stage) for number, stage in enumerate(stages)]


def _step(rng: random.Random, tx: str, name: str, stage: int) -> StepSpec:
    [mood] = rng.choices(MOODS, ODDS)
    where: dict[str, Any] = {"tx": tx, "step": name, "stage": stage}
    action = rng.choice(KINDS)
    rollback = Rollback("strike", {"entry": "{{entry}}"}) if action == "enter" else Rollback("withdraw", where)
    return StepSpec(
        name=name, node=rng.choice(CHILDREN), action=action, stage=stage, rollback=rollback,
        params={**where, "mood": mood, "seconds": rng.choice((0.0, 0.0, 0.1, 0.4, 1.0))},
        timeout_s=PATIENCE_S.get(mood, rng.choice((3.0, LONGEST_S))), retries=rng.choice((0, 0, 1)),
    )  # fmt: skip
