"""Master after master dies over the same database, losing what it had decided to send; every transaction still ends."""

from __future__ import annotations

import random

import pytest

from fleetfold_master.store import Store
from fleetfold_master.transactions import Transactions
from fleetfold_master.transactions.validation import validate
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.messages import Command, CommandResult, Outcome, Rollback, StepSpec, Transact, TransactionView
from support.effort import effort
from support.ledgers import Ledgers
from support.master import Doctor, Outbox, registry

NODES = registry(("shop", "active"), ("crm", "active"), ("blog", "active"))
ODDS: list[Outcome] = ["ok", "ok", "ok", "ok", "failed", "timed_out"]


def _order(number: int) -> Transact:
    rollback = Rollback("undo")
    return Transact(
        id=f"o{number}",
        steps=[
            StepSpec(name="shop", node="shop", action="reserve", params={"sku": "a"}, rollback=rollback, retries=1),
            StepSpec(name="crm", node="crm", action="note", rollback=rollback, stage=1),
            StepSpec(name="blog", node="blog", action="note", rollback=rollback, stage=1),
        ],
    )


class Bus:
    """Commands and results on their way, in any order, some of them twice."""

    def __init__(self, rng: random.Random, orders: list[Transact]) -> None:
        self.rng, self.outbox = rng, Outbox()
        self.commands: list[tuple[str, Command]] = []
        self.results: list[tuple[str, CommandResult]] = []
        self.ledgers = {
            order.id: Ledgers({step.name: step for step in validate(order, NODES.get)}, rng, ODDS) for order in orders
        }

    def carry(self) -> None:
        """The nodes answer what has arrived."""
        self.commands += self.outbox.take()
        self.rng.shuffle(self.commands)
        half = len(self.commands) // 2 + 1
        for node, command in self.commands[:half]:
            answer = self.ledgers[command.id.split(".")[1]].handle(command)
            if answer is not None:
                self.results += [(node, answer)] * self.rng.choice((1, 1, 2))
        self.commands = self.commands[half:]

    def take_results(self) -> list[tuple[str, CommandResult]]:
        taken, self.results = self.results, []
        return taken


class Life:
    """One master, from taking over to its death."""

    def __init__(self, store: Store, bus: Bus, clock: ManualClock) -> None:
        self.store, self.bus, self.clock = store, bus, clock
        self.master = Transactions(store, bus.outbox, clock, Doctor(), NODES.get)

    async def work(self, rounds: int) -> None:
        for _ in range(rounds):
            self.bus.carry()
            for node, result in self.bus.take_results():
                await self.master.on_result(node, result)
            self.clock.advance(self.bus.rng.choice((0.5, 5.0, 20.0)))
            await self.master.sweep()

    async def views(self) -> list[TransactionView]:
        return list(await self.master.list())


def _check(view: TransactionView, effects: dict[str, int]) -> None:
    if view.state == "committed":
        assert effects == {"shop": 1, "crm": 1, "blog": 1}
    elif view.state == "rolled_back":
        assert not any(effects.values())
    else:
        assert view.state == "parked"


@pytest.mark.dear
@pytest.mark.parametrize("seed", range(effort(2)))
async def test_every_transaction_ends_and_effects_agree_with_its_end(database_url: str, seed: int) -> None:
    rng = random.Random(seed)
    orders = [_order(number) for number in range(15)]
    bus, clock, lives = Bus(rng, orders), ManualClock(), list[Life]()
    for _ in range(8):
        lives.append(Life(await Store.open(database_url), bus, clock))
        await lives[-1].master.recover()
        for order in orders:
            await lives[-1].master.start(order, "ann")
        await lives[-1].work(rng.randrange(4))
        bus.outbox.take()  # it dies: this was committed, and is never sent
    await lives[-1].work(200)
    for view in await lives[-1].views():
        _check(view, bus.ledgers[view.id].effects)
    assert len(await lives[-1].views()) == len(orders)
    for life in lives:
        await life.store.close()
