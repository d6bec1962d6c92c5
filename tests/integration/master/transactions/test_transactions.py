"""Transactions over a real database: accepted once, driven to an end, taken over by the next master."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from fleetfold_master.store import Store
from fleetfold_master.transactions import Transactions
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound, TooLarge, Unavailable
from fleetfold_shared.messages import Command, CommandResult, Filter, Rollback, StepSpec, Transact
from support.master import Doctor, Outbox, answer, registry

SHOP = StepSpec(
    name="shop", node="shop", action="reserve", params={"sku": "a"}, rollback=Rollback("release", {"order": "{{id}}"})
)
CRM = StepSpec(name="crm", node="crm", action="note", params={"text": "{{steps.shop.id}}"}, rollback=Rollback("undo"))
ORDER = Transact(id="t1", name="an order", steps=[SHOP, CRM])


class Room:
    """Transactions with all that they are given."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.graves: list[Store] = []
        self.outbox, self.doctor, self.clock = Outbox(), Doctor(), ManualClock()
        self.nodes = registry(("shop", "active"), ("crm", "active"))

    async def open(self) -> None:
        self.store = await Store.open(self.url)
        self.transactions = Transactions(self.store, self.outbox, self.clock, self.doctor, self.nodes.get)
        await self.transactions.recover()

    async def die_and_return(self) -> None:
        """All that was in memory is lost, and nothing was closed. (The old handle is, at the end of the test.)"""
        self.graves.append(self.store)
        await self.open()

    async def close(self) -> None:
        await self.transactions.close()
        for store in (self.store, *self.graves):
            await store.close()

    def fail_next_write(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The disk is full, once."""

        async def fail(*_: object) -> int:
            monkeypatch.undo()
            raise OSError("disk full")

        monkeypatch.setattr(self.store, "write", fail)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.transactions.sweep()

    async def hear(self, node: str, result: CommandResult) -> None:
        assert await self.transactions.on_result(node, result)

    def one(self) -> Command:
        """The one command that was sent since the last time."""
        [(_, command)] = self.outbox.take()
        return command

    async def state(self) -> str:
        view = await self.transactions.get("t1")
        return " ".join([view.state, *(step.state for step in view.steps)])


@pytest.fixture
async def room(database_url: str) -> AsyncIterator[Room]:
    room = Room(database_url)
    await room.open()
    yield room
    await room.close()


async def test_a_transaction_commits_and_says_how(room: Room) -> None:
    view = await room.transactions.start(ORDER, "ann")
    assert (view.state, [step.state for step in view.steps]) == ("running", ["running", "waiting"])
    waiting = asyncio.create_task(room.transactions.wait("t1", 30))
    await room.hear("shop", answer(room.one(), result={"id": "o7"}))
    command = room.one()
    assert command.params == {"text": "o7"}
    await room.hear("crm", answer(command))
    ended = await waiting
    assert (ended.state, ended.steps[0].result) == ("committed", {"id": "o7"})
    assert [(entry.what, entry.step) for entry in ended.timeline] == [
        ("accepted", None),
        ("sent", "shop"),
        ("done", "shop"),
        ("sent", "crm"),
        ("done", "crm"),
        ("committed", None),
    ]
    assert await room.transactions.get("t1") == ended
    [listed] = await room.transactions.list()
    assert (listed.id, listed.state, listed.timeline) == ("t1", "committed", [])


async def test_the_same_id_is_the_same_transaction(room: Room) -> None:
    views = await asyncio.gather(*(room.transactions.start(ORDER, "ann") for _ in range(3)))
    assert len({view.created_at for view in views}) == 1
    await room.hear("shop", answer(room.one(), "failed"))
    room.nodes.clear()
    assert (await room.transactions.start(ORDER, "ann")).state == "rolled_back"
    assert room.outbox.take() == []
    room.nodes |= registry(("shop", "active"))
    for other, caller in ((Transact(id="t1", steps=[SHOP]), "ann"), (Transact(id="t1", steps=[SHOP]), "bob")):
        with pytest.raises(Conflict, match="choose a new id"):
            await room.transactions.start(other, caller)


async def test_refusals_leave_nothing_behind(room: Room) -> None:
    with pytest.raises(InvalidInput, match=r"steps\.crm\.params"):
        await room.transactions.start(Transact(id="t1", steps=[CRM]), "ann")
    with pytest.raises(NotFound, match="no transaction"):
        await room.transactions.get("t1")
    with pytest.raises(NotFound, match="no transaction"):
        await room.transactions.wait("t1", 1)


async def test_a_master_that_died_at_any_moment_is_followed_by_one_that_finishes(room: Room) -> None:
    await room.transactions.start(ORDER, "ann")
    room.one()
    await room.die_and_return()
    command = room.one()
    assert (command.id, command.attempt, command.epoch) == ("t.t1.shop.f", 2, 2)
    await room.hear("shop", answer(command, result={"id": "o7"}))
    room.one()
    await room.die_and_return()
    await room.hear("crm", answer(room.one(), "failed"))
    room.one()
    await room.die_and_return()
    compensation = room.one()
    assert (compensation.id, compensation.compensates, compensation.params, compensation.epoch) == (
        "t.t1.shop.c",
        "t.t1.shop.f",
        {"order": "{{id}}"},
        4,
    )
    await room.hear("shop", answer(compensation))
    assert await room.state() == "rolled_back compensated failed"
    await room.die_and_return()
    assert room.outbox.take() == []


async def test_a_compensation_s_wait_for_its_next_try_survives_a_restart(room: Room) -> None:
    await room.transactions.start(ORDER, "ann")
    await room.hear("shop", answer(room.one(), "ok", {"id": 1}))
    await room.hear("crm", answer(room.one(), "failed"))
    await room.hear("shop", answer(room.one(), "failed"))
    await room.die_and_return()
    assert room.outbox.take() == []
    await room.pass_time(1)
    assert room.one().id == "t.t1.shop.cr2"


async def test_duplicates_and_a_stranger_s_answers_change_nothing(room: Room) -> None:
    await room.transactions.start(ORDER, "ann")
    command = room.one()
    await room.hear("crm", answer(command))
    assert await room.state() == "running running waiting"
    told = answer(command, result={"id": "o7"})
    await asyncio.gather(*(room.hear("shop", told) for _ in range(5)))
    room.one()
    before = await room.transactions.get("t1")
    await room.hear("shop", answer(command, "failed"))
    assert await room.transactions.get("t1") == before
    assert not await room.transactions.on_result(
        "shop", CommandResult(id="j.t1.shop", attempt=1, epoch=0, outcome="ok")
    )
    assert not await room.transactions.on_result(
        "shop", CommandResult(id="t.x.shop.f", attempt=1, epoch=0, outcome="ok")
    )


async def test_an_answer_after_the_end_is_written_down_and_changes_nothing(room: Room) -> None:
    await room.transactions.start(Transact(id="t1", steps=[SHOP]), "ann")
    forward = room.one()
    await room.pass_time(30)
    await room.hear("shop", answer(room.one(), tombstone=True))
    assert await room.state() == "rolled_back compensated"
    for _ in range(2):
        await room.hear("shop", answer(forward, "rejected"))
    view = await room.transactions.get("t1")
    assert view.state == "rolled_back"
    assert [entry.what for entry in view.timeline][-2:] == ["rolled_back", "late answer"]
    assert room.outbox.take() == []


async def test_a_command_that_could_not_be_sent_is_sent_by_a_later_sweep(room: Room) -> None:
    room.outbox.failing = {"shop": Unavailable("the broker is gone")}
    await room.transactions.start(ORDER, "ann")
    room.outbox.failing = {}
    await room.pass_time(5)
    assert room.one().attempt == 2


async def test_a_command_that_never_can_be_sent_has_failed(room: Room) -> None:
    room.outbox.failing = {"crm": TooLarge("the body is over 1 MB")}
    await room.transactions.start(ORDER, "ann")
    await room.hear("shop", answer(room.one(), result={"id": "o7"}))
    await room.hear("shop", answer(room.one()))
    view = await room.transactions.get("t1")
    assert (view.state, view.error) == ("rolled_back", "crm: the body is over 1 MB")


async def test_when_the_broker_has_lost_everything_all_in_flight_is_sent_again(room: Room) -> None:
    await room.transactions.start(ORDER, "ann")
    first = room.one()
    await room.transactions.resend_all()
    again = room.one()
    assert (again.id, again.attempt, again.epoch) == (first.id, 2, first.epoch)


async def test_a_cancelled_caller_leaves_memory_and_database_agreed(room: Room) -> None:
    starting = asyncio.create_task(room.transactions.start(ORDER, "ann"))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await room.transactions.close()
    hearing = asyncio.create_task(room.transactions.on_result("shop", answer(room.one(), result={"id": "o7"})))
    await asyncio.sleep(0)
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    await room.transactions.close()
    assert await room.state() == "running done running"
    await room.die_and_return()
    assert await room.state() == "running done running"


async def test_an_answer_that_could_not_be_written_is_not_acknowledged_and_counts_when_it_comes_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.transactions.start(ORDER, "ann")
    command = room.one()
    room.fail_next_write(monkeypatch)
    with pytest.raises(OSError, match="disk full"):
        await room.transactions.on_result("shop", answer(command, result={"id": "o7"}))
    assert (await room.state(), room.outbox.take()) == ("running running waiting", [])
    await room.hear("shop", answer(command, result={"id": "o7"}))
    assert (await room.state(), room.one().id) == ("running done running", "t.t1.crm.f")


RICH = Transact(
    id="t1",
    timeout_s=60,
    steps=[
        SHOP,
        msgspec.structs.replace(CRM, depends_on=["shop"], when=Filter("steps.shop.id", "eq", "o7"), retriable=True),
    ],
)


async def test_dependencies_conditions_and_the_time_for_the_whole_survive_a_restart(room: Room) -> None:
    await room.transactions.start(RICH, "ann")
    await room.die_and_return()
    [_, (_, command)] = room.outbox.take()
    await room.hear("shop", answer(command, result={"id": "o8"}))
    assert await room.state() == "committed done skipped"


async def test_what_is_out_of_its_time_is_rolled_back_after_a_restart_too(room: Room) -> None:
    await room.transactions.start(RICH, "ann")
    await room.hear("shop", answer(room.one(), result={"id": "o7"}))
    await room.die_and_return()
    room.outbox.take()
    await room.pass_time(61)
    assert await room.state() == "compensating done compensating"


async def test_a_dry_run_checks_everything_and_begins_nothing(room: Room) -> None:
    dry = msgspec.structs.replace(RICH, dry_run=True)
    view = await room.transactions.start(dry, "ann")
    assert (view.state, [step.state for step in view.steps]) == ("checked", ["waiting", "waiting"])
    assert room.outbox.take() == []
    with pytest.raises(NotFound):
        await room.transactions.get("t1")
    wrong = StepSpec(name="crm", node="crm", action="fly")
    with pytest.raises(NotFound, match=r"steps\.crm\.action"):
        await room.transactions.start(msgspec.structs.replace(dry, steps=[wrong]), "ann")


async def test_a_cancelled_transaction_is_undone_and_says_by_whom(room: Room) -> None:
    await room.transactions.start(ORDER, "ann")
    command = room.one()
    view = await room.transactions.cancel("t1", "bob")
    assert (view.state, view.error) == ("compensating", "cancelled by bob")
    compensation = room.one()
    assert compensation.compensates == command.id
    await room.hear("shop", msgspec.structs.replace(answer(compensation), tombstone=True))
    assert await room.state() == "rolled_back compensated skipped"


async def test_a_parked_transaction_goes_on_for_an_operator_and_is_waited_for_again(room: Room) -> None:
    await room.transactions.start(ORDER, "ann")
    await room.hear("shop", answer(room.one(), result={"id": "o7"}))
    await room.hear("crm", answer(room.one(), "failed"))
    await room.hear("shop", answer(room.one(), "unknown"))
    assert await room.state() == "parked parked failed"
    await room.die_and_return()
    assert (await room.transactions.retry("t1", "bob")).state == "compensating"
    waiting = asyncio.create_task(room.transactions.wait("t1", 30))
    await room.pass_time(1)
    await room.hear("shop", answer(room.one()))
    assert (await waiting).state == "rolled_back"


async def test_a_parked_transaction_is_ended_by_hand(room: Room) -> None:
    await room.transactions.start(ORDER, "ann")
    await room.hear("shop", answer(room.one(), result={"id": "o7"}))
    await room.hear("crm", answer(room.one(), "failed"))
    await room.hear("shop", answer(room.one(), "unknown"))
    view = await room.transactions.resolve("t1", "bob", "rolled_back", "released by hand")
    assert (view.state, view.timeline[-2].why) == ("rolled_back", "by bob: released by hand")
    await room.die_and_return()
    assert await room.state() == "rolled_back parked failed"
    with pytest.raises(NotFound):
        await room.transactions.cancel("t9", "bob")
