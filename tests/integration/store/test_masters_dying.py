"""Master after master dies over the same database, losing what it had decided to send; every transaction still ends."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fleetfold_master.store import Store
from fleetfold_master.transactions import Transactions, validate
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.messages import Command, CommandResult, Outcome, Rollback, StepSpec, Transact
from support.ledgers import Ledgers
from support.master import Doctor, Outbox, registry

NODES = registry(("shop", "active"), ("crm", "active"), ("blog", "active"))
ODDS: list[Outcome] = ["ok", "ok", "ok", "ok", "failed", "timed_out"]
ENDS = {"committed", "rolled_back", "parked"}


def _order(number: int) -> Transact:
    undo = Rollback("undo")
    return Transact(
        id=f"o{number}",
        steps=[
            StepSpec(name="shop", node="shop", action="reserve", params={"sku": "a"}, rollback=undo, retries=1),
            StepSpec(name="crm", node="crm", action="note", rollback=undo, stage=1),
            StepSpec(name="blog", node="blog", action="note", rollback=undo, stage=1),
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


@pytest.mark.parametrize("seed", range(4))
async def test_every_transaction_ends_and_effects_agree_with_its_end(tmp_path: Path, seed: int) -> None:
    rng, clock = random.Random(seed), ManualClock()
    orders = [_order(number) for number in range(15)]
    bus = Bus(rng, orders)
    stores: list[Store] = []
    ends: list[str] = []
    for life in range(60):
        store = await Store.open(f"sqlite:///{tmp_path}/master.db") if life < 8 else stores[-1]
        if life < 8:
            stores.append(store)
            master = Transactions(store, bus.outbox, clock, Doctor(), NODES.get)
            await master.recover()
        for order in orders:
            await master.start(order, "ann")
        for _ in range(rng.randrange(1, 5)):
            bus.carry()
            for node, result in bus.take_results():
                await master.on_result(node, result)
            clock.advance(rng.choice((0.5, 5.0, 20.0)))
            await master.sweep()
        if life < 8:
            bus.outbox.take()  # committed, and never sent
        ends = [view.state for view in await master.list()]
        if set(ends) <= ENDS and life >= 8:
            break
    assert len(ends) == len(orders)
    assert set(ends) <= ENDS
    for view in await master.list():
        effects = bus.ledgers[view.id].effects
        if view.state == "committed":
            assert effects == {"shop": 1, "crm": 1, "blog": 1}
        elif view.state == "rolled_back":
            assert not any(effects.values())
    for store in stores:
        await store.close()
