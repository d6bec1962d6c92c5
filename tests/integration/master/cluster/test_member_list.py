"""The roll of the masters: who is there, who lives by the watch of the one that answers, and what each drives."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_master.cluster import MemberList, Membership, Surroundings
from fleetfold_master.cluster.membership import AMISS, HEARTBEAT_S
from fleetfold_master.jobs import JobOptions, Jobs
from fleetfold_master.store import Store
from fleetfold_master.store.fence import Fenced
from fleetfold_master.transactions import TransactionOptions, Transactions
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import MasterInfo, Run, Scopes, StepSpec, Transact
from support.inprocess import Fleet, fleet
from support.master import Doctor, Outbox, answer, registry
from support.wait import eventually

__all__ = ["fleet"]

NODES = registry(("shop", "active"))
ORDER = [StepSpec(name="shop", node="shop", action="reserve", params={"sku": "a"})]


class Life:
    """A master on a database, as much of it as the roll tells of."""

    def __init__(self, store: Store, clock: ManualClock, instance_id: str) -> None:
        self.store, self.membership = store, Membership(store, clock, instance_id)
        surroundings = Surroundings(Path("/"), store, None)
        self.id, self.roll = self.membership.id, MemberList(store, self.membership, surroundings)
        self.outbox = Outbox()
        self.jobs = Jobs(store, self.outbox, clock, Doctor(), JobOptions(owner=self.id))
        self.transactions = Transactions(store, Outbox(), clock, Doctor(), NODES.get, TransactionOptions(owner=self.id))

    async def sees(self, other: Life) -> MasterInfo:
        return next(each for each in await self.roll.call() if each.id == other.id)


class Room:
    """Masters on one database and one clock, which moves by one heartbeat at a time."""

    def __init__(self, url: str) -> None:
        self.url, self.clock, self.lives = url, ManualClock(), list[Life]()

    async def start(self, instance_id: str) -> Life:
        life = Life(await Store.open(self.url), self.clock, instance_id)
        self.lives.append(life)
        await life.membership.join()
        return life

    async def heartbeat(self, *alive: Life, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.clock.advance(HEARTBEAT_S)
            for life in alive:
                await life.membership.heartbeat()

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


async def test_of_two_each_says_of_itself_that_it_answers_and_of_the_other_that_it_lives(room: Room) -> None:
    one, other = await room.start("a"), await room.start("b")
    await room.heartbeat(one, other, rounds=10)
    assert [(await one.sees(life)).state for life in (one, other)] == ["answering", "alive"]
    assert [(await other.sees(life)).state for life in (one, other)] == ["alive", "answering"]
    assert [each.instance_id for each in await one.roll.call()] == ["a", "b"]


async def test_one_that_has_only_just_come_is_not_held_for_silent(room: Room) -> None:
    one, other = await room.start("a"), await room.start("b")
    assert (await one.sees(other)).state == (await other.sees(one)).state == "alive"


async def test_one_without_heartbeats_is_silent_for_so_long_by_the_watch_of_who_answers(room: Room) -> None:
    one, silent = await room.start("a"), await room.start("b")
    await room.heartbeat(one, silent, rounds=3)
    await room.heartbeat(one, rounds=AMISS + 1)
    seen = await one.sees(silent)
    assert (seen.state, seen.silent_s) == ("silent", AMISS * HEARTBEAT_S)
    await room.heartbeat(silent, one)
    seen = await one.sees(silent)
    assert (seen.state, seen.silent_s) == ("alive", None)


async def test_nobody_is_called_silent_by_one_that_has_slept_itself(room: Room) -> None:
    one, other = await room.start("a"), await room.start("b")
    await room.heartbeat(one, other)
    room.clock.advance(60.0)
    assert (await one.sees(other)).state == "alive"


async def test_each_is_told_with_the_jobs_and_transactions_that_it_drives_now(room: Room) -> None:
    one, other = await room.start("a"), await room.start("b")
    for number in range(3):
        await one.jobs.start(Run(id=f"j{number}", action="restock"), ["shop"], "ann")
    node, command = one.outbox.take()[0]
    await one.jobs.on_result(node, answer(command))
    await other.transactions.start(Transact(id="t", steps=ORDER), "ann")
    assert [(each.jobs, each.transactions) for each in await other.roll.call()] == [(2, 0), (0, 1)]


async def test_one_that_stopped_in_good_order_has_left_until_it_is_replaced(room: Room) -> None:
    one, leaving = await room.start("a"), await room.start("b")
    await leaving.membership.leave()
    await room.heartbeat(one)
    assert (await one.sees(leaving)).state == "left"


async def test_a_master_that_has_lost_its_lease_does_not_speak_of_others(room: Room) -> None:
    dead = await room.start("a")
    await room.start("a")
    with pytest.raises(Fenced):
        await dead.roll.call()


async def test_a_master_alone_answers_with_its_host_and_process(fleet: Fleet) -> None:
    [alone] = await fleet.client.masters.list()
    assert (alone.state, alone.pid, alone.silent_s, alone.jobs) == ("answering", os.getpid(), None, 0)
    assert alone.instance_id == (fleet.place / "master" / "instance_id").read_text().strip()


async def test_whichever_of_two_is_asked_both_are_told_and_all_that_they_drive(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    async with fleet.another_master():
        await eventually(lambda: _both_live(fleet))
        for number in range(6):
            await fleet.client.run("doze", {"seconds": 20}, nodes=["shop"], id=f"j{number}", detach=True)
        for _ in range(6):
            assert sum(each.jobs for each in await fleet.client.masters.list()) == 6
        for number in range(6):
            await fleet.client.jobs.cancel(f"j{number}")


async def test_who_has_scopes_may_not_ask(fleet: Fleet) -> None:
    narrow = await fleet.new_client("till", "operator", scopes=Scopes(nodes=["shop"]))
    with pytest.raises(Forbidden, match="whole fleet"):
        await narrow.masters.list()


async def _both_live(fleet: Fleet) -> bool:
    return [each.state for each in await fleet.client.masters.list()].count("alive") == 1
