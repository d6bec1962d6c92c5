"""Masters over one database file, without a broker: who may write, who takes over, and that nothing is done twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from fleetfold_master.cluster import Takeover
from fleetfold_master.cluster.master_rows import TakenOver
from fleetfold_master.cluster.membership import HEARTBEAT_S, MISSED, Membership
from fleetfold_master.jobs import JobOptions, Jobs
from fleetfold_master.store import Store
from fleetfold_master.store.fence import Fenced
from fleetfold_master.transactions import TransactionOptions, Transactions
from fleetfold_master.transactions.validation import validate
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import FleetfoldError
from fleetfold_shared.messages import Command, CommandResult, Outcome, Rollback, Run, StepSpec, Transact
from support.effort import effort
from support.ledgers import Ledgers
from support.master import Doctor, Outbox, answer, registry

NODES = registry(("shop", "active"), ("crm", "active"), ("blog", "active"))
ODDS: list[Outcome] = ["ok", "ok", "ok", "ok", "failed", "timed_out"]
RUN = Run(id="j1", action="restock", params={"sku": "a"}, timeout_s=60.0)
ORDER = Transact(id="o1", steps=[StepSpec(name="shop", node="shop", action="reserve", params={"sku": "a"})])


class Life:
    """One master from its start to its death: all that it has in memory."""

    def __init__(self, store: Store, clock: ManualClock, outbox: Outbox, instance_id: str) -> None:
        self.store, self.outbox = store, outbox
        self.membership = Membership(store, clock, instance_id)
        self.takeover = Takeover(store, clock, self.membership, self.resume)
        self.jobs = Jobs(store, outbox, clock, Doctor(), JobOptions(owner=self.membership.id))
        self.transactions = Transactions(
            store, outbox, clock, Doctor(), NODES.get, TransactionOptions(owner=self.membership.id)
        )

    async def begin(self) -> None:
        await self.membership.join()
        await self.resume(None)

    async def heartbeat(self) -> None:
        await self.membership.heartbeat()
        await self.takeover.once()

    async def resume(self, taken: TakenOver | None) -> None:
        await self.transactions.recover(taken and taken.transactions)
        await self.jobs.recover(taken and taken.jobs)


class Room:
    """Masters by their instance ids, on one clock."""

    def __init__(self, url: str) -> None:
        self.url, self.clock = url, ManualClock()
        self.outbox = Outbox()
        self.lives: list[Life] = []

    async def start(self, instance_id: str) -> Life:
        life = Life(await Store.open(self.url), self.clock, self.outbox, instance_id)
        self.lives.append(life)
        await life.begin()
        return life

    async def heartbeat(self, *alive: Life, rounds: int = MISSED + 2) -> None:
        """Time goes on, and these send heartbeats."""
        for _ in range(rounds):
            self.clock.advance(HEARTBEAT_S)
            for life in alive:
                await life.heartbeat()
        for life in alive:  # what was taken over is resumed beside the heartbeats
            await life.takeover._resuming.drain(5)

    async def close(self) -> None:
        for life in self.lives:
            await life.jobs.close()
            await life.transactions.close()
            await life.store.close()


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    room = Room(f"sqlite:///{tmp_path}/master.db")
    yield room
    await room.close()


async def test_what_a_silent_master_drove_is_taken_over_with_a_higher_epoch(room: Room) -> None:
    silent, other = await room.start("a"), await room.start("b")
    await silent.transactions.start(ORDER, "ann")
    await silent.jobs.start(RUN, ["shop"], "ann")
    sent = {command.id: command for _, command in room.outbox.take()}
    await room.heartbeat(other)
    await other.jobs.sweep()
    again = {command.id: command for _, command in room.outbox.take()}
    assert again.keys() == sent.keys() == {"t.o1.shop.f", "j.j1.shop"}
    for before, after in ((sent[key], again[key]) for key in sent):
        assert after.attempt == before.attempt + 1
        assert after.epoch == (before.epoch + 1 if after.id.startswith("t.") else before.epoch)
    assert other.transactions.owns("o1")
    assert other.jobs.owns("j1")


@pytest.mark.parametrize("many", [1, 2, 3, 7])
async def test_what_all_may_have_together_is_shared_out_among_those_that_live(room: Room, many: int) -> None:
    lives = [await room.start(instance_id) for instance_id in "abc"]
    await room.heartbeat(*lives, rounds=1)
    shares = [life.membership.share_of(many) for life in lives]
    assert sum(shares) == max(many, len(lives))
    assert max(shares) - min(shares) <= 1
    await room.heartbeat(lives[0])
    assert lives[0].membership.share_of(many) == many


async def test_nobody_is_taken_over_who_sends_heartbeats_nor_by_one_who_has_slept(room: Room) -> None:
    one, other = await room.start("a"), await room.start("b")
    await one.transactions.start(ORDER, "ann")
    for _ in range(20):
        await room.heartbeat(one, other, rounds=1)
    for _ in range(3):
        room.clock.advance(60.0)  # nobody sends a heartbeat: the machine, or the database, has stood still
        await room.heartbeat(other, one, rounds=1)
    assert one.transactions.owns("o1")
    assert not one.membership.lost.is_set()
    assert other.membership.others == {one.membership.id}


async def test_a_master_that_was_taken_over_cannot_write_what_it_has_decided(room: Room) -> None:
    frozen, other = await room.start("a"), await room.start("b")
    await frozen.transactions.start(ORDER, "ann")
    await frozen.jobs.start(RUN, ["shop"], "ann")
    sent = {command.id: command for _, command in room.outbox.take()}
    await room.heartbeat(other)
    await other.jobs.sweep()
    room.outbox.take()
    for late in (
        frozen.transactions.on_result("shop", answer(sent["t.o1.shop.f"])),
        frozen.jobs.on_result("shop", answer(sent["j.j1.shop"])),
        frozen.transactions.cancel("o1", "ann"),
        frozen.transactions.start(Transact(id="o2", steps=ORDER.steps), "ann"),
        frozen.membership.heartbeat(),
    ):
        with pytest.raises(Fenced):
            await late
    room.clock.advance(10.0)
    with pytest.raises(Fenced):
        await frozen.jobs.sweep()
    assert room.outbox.take() == []
    assert frozen.membership.lost.is_set()
    assert (await other.transactions.get("o1")).state == "running"
    assert (await other.jobs.get("j1")).state == "running"


async def test_a_result_of_what_another_has_sent_is_no_duplicate_to_a_master_that_was_taken_over(room: Room) -> None:
    steps = [StepSpec(name=f"s{n}", node="shop", action="reserve", stage=n, params={"sku": "a"}) for n in range(2)]
    frozen, other = await room.start("a"), await room.start("b")
    await frozen.transactions.start(Transact(id="o3", steps=steps), "ann")
    [(_, first)] = room.outbox.take()
    await frozen.transactions.on_result("shop", late := answer(first))
    room.outbox.take()
    await frozen.transactions.on_result("shop", late)  # nothing changes, and it still may say so
    await room.heartbeat(other)
    [(_, second)] = room.outbox.take()
    for again in (late, answer(second)):
        with pytest.raises(Fenced):  # so it is not acknowledged, and comes to the other one
            await frozen.transactions.on_result("shop", again)
    await other.transactions.on_result("shop", answer(second))
    assert (await other.transactions.get("o3")).state == "committed"


async def test_the_first_write_that_is_refused_says_that_the_place_is_lost(room: Room) -> None:
    frozen, other = await room.start("a"), await room.start("b")
    await room.heartbeat(other)
    assert not frozen.membership.lost.is_set()
    with pytest.raises(Fenced):
        await frozen.jobs.start(RUN, ["shop"], "ann")
    assert frozen.membership.lost.is_set()


async def test_of_several_that_see_a_death_one_takes_over(room: Room) -> None:
    dead, *others = [await room.start(instance_id) for instance_id in "abcd"]
    await dead.transactions.start(ORDER, "ann")
    room.outbox.take()
    for _ in range(MISSED + 2):
        room.clock.advance(HEARTBEAT_S)
        await asyncio.gather(*(life.heartbeat() for life in others))
    await room.heartbeat(*others, rounds=1)
    assert [life.transactions.owns("o1") for life in others].count(True) == 1
    assert [command.epoch for _, command in room.outbox.take()] == [2]


async def test_a_data_directory_that_is_used_again_proves_the_death_of_its_last_process(room: Room) -> None:
    dead = await room.start("a")
    await dead.transactions.start(ORDER, "ann")
    born = await room.start("a")
    assert born.transactions.owns("o1")
    with pytest.raises(Fenced):
        await dead.transactions.cancel("o1", "ann")


async def test_one_that_leaves_is_replaced_at_the_next_heartbeat(room: Room) -> None:
    leaving, other = await room.start("a"), await room.start("b")
    await leaving.transactions.start(ORDER, "ann")
    await leaving.membership.leave()
    await room.heartbeat(other, rounds=1)
    assert other.transactions.owns("o1")


async def test_what_was_begun_before_there_were_owners_is_taken_up(room: Room) -> None:
    store = await Store.open(room.url)
    old = Transactions(store, room.outbox, room.clock, Doctor(), NODES.get)
    await old.start(ORDER, "ann")
    await Jobs(store, room.outbox, room.clock, Doctor()).start(RUN, ["shop"], "ann")
    await store.close()
    new = await room.start("a")
    assert new.transactions.owns("o1")
    assert new.jobs.owns("j1")


async def test_two_operators_at_two_masters_do_not_both_revive_what_is_parked(room: Room) -> None:
    one, other = await room.start("a"), await room.start("b")
    pivot = StepSpec(name="shop", node="shop", action="reserve", params={"sku": "a"}, pivot=True, retries=0)
    late = StepSpec(name="crm", node="crm", action="note", stage=1)
    await one.transactions.start(Transact(id="o1", steps=[pivot, late]), "ann")
    while (view := await one.transactions.get("o1")).state == "running":
        room.clock.advance(60.0)
        for node, command in room.outbox.take():
            await one.transactions.on_result(node, answer(command, "ok" if ".shop." in command.id else "failed"))
        await one.transactions.sweep()
    assert view.state == "parked"
    outcomes = await asyncio.gather(
        one.transactions.retry("o1", "ann"), other.transactions.retry("o1", "bob"), return_exceptions=True
    )
    assert [isinstance(outcome, FleetfoldError) for outcome in outcomes].count(True) == 1
    assert [life.transactions.owns("o1") for life in (one, other)].count(True) == 1


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
    """Commands and results on their way, in any order, some twice; what is sent is looked at for doublets."""

    def __init__(self, rng: random.Random, orders: list[Transact]) -> None:
        self.rng, self.outbox = rng, Outbox()
        self.commands: list[tuple[str, Command]] = []
        self.results: list[tuple[str, CommandResult]] = []
        self.seen: set[tuple[str, int]] = set()
        self.ledgers = {
            order.id: Ledgers({step.name: step for step in validate(order, NODES.get)}, rng, ODDS) for order in orders
        }

    def carry(self) -> None:
        for node, command in self.outbox.take():
            assert (command.id, command.attempt) not in self.seen, "the same sending twice"
            self.seen.add((command.id, command.attempt))
            self.commands.append((node, command))
        self.rng.shuffle(self.commands)
        half = len(self.commands) // 2 + 1
        for node, command in self.commands[:half]:
            if (told := self.ledgers[command.id.split(".")[1]].handle(command)) is not None:
                self.results += [(node, told)] * self.rng.choice((1, 1, 2))
        self.commands = self.commands[half:]

    def take_results(self) -> list[tuple[str, CommandResult]]:
        taken, self.results = self.results, []
        return taken


@pytest.mark.parametrize("seed", range(effort(3)))
async def test_whatever_order_masters_freeze_and_wake_in_every_effect_agrees_with_its_end(
    room: Room, seed: int
) -> None:
    rng = random.Random(seed)
    orders = [_order(number) for number in range(12)]
    bus = Bus(rng, orders)
    room.outbox = bus.outbox
    awake = [await room.start("a"), await room.start("b")]
    asleep: list[Life] = []
    waiting = list(orders)
    for turn in range(120):
        if turn < 80 and rng.random() < 0.15 and len(awake) == 2:
            asleep.append(awake.pop(rng.randrange(2)))
        if asleep and rng.random() < 0.1:
            awake.append(asleep.pop())
        if waiting and awake:
            await _ignoring_the_fence(rng.choice(awake).transactions.start(waiting.pop(), "ann"))
        bus.carry()
        await _one_turn(room, bus, awake, rng)
        for place, life in enumerate(awake):
            if life.membership.lost.is_set():
                awake[place] = await room.start(f"{turn}")
    awake += asleep
    for _ in range(120):
        bus.carry()
        await _one_turn(room, bus, awake, rng)
        awake = [life for life in awake if not life.membership.lost.is_set()]
    views = await awake[0].transactions.list()
    assert len(views) == len(orders)
    for view in views:
        _check(view.state, bus.ledgers[view.id].effects)


async def _one_turn(room: Room, bus: Bus, awake: list[Life], rng: random.Random) -> None:
    """Results come to anybody; who has not in hand what they are of offers them to the others."""
    for node, result in bus.take_results():
        order = result.id.split(".")[1]
        owners = [life for life in awake if life.transactions.owns(order)]
        if owners:
            await _ignoring_the_fence(rng.choice(owners).transactions.on_result(node, result))
        elif rng.random() < 0.9:
            bus.results.append((node, result))
    room.clock.advance(rng.choice((0.5, 0.5, 5.0)))
    for life in rng.sample(awake, len(awake)):
        await _ignoring_the_fence(life.heartbeat())
        await life.takeover._resuming.drain(5)
        await _ignoring_the_fence(life.transactions.sweep())


async def _ignoring_the_fence(work: Awaitable[object]) -> None:
    with contextlib.suppress(Fenced):
        await work


def _check(state: str, effects: dict[str, int]) -> None:
    if state == "committed":
        assert effects == {"shop": 1, "crm": 1, "blog": 1}
    elif state == "rolled_back":
        assert not any(effects.values())
    else:
        assert state == "parked"
