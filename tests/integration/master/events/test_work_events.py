"""The ends of jobs and transactions, and dead letters, are published once, after their commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from fleetfold_master.dead_letters import DeadLetters
from fleetfold_master.dead_letters.dead_letter_policy import dead_letter_id
from fleetfold_master.events import (
    DeadLettered,
    Event,
    JobEnded,
    JobRevised,
    TransactionEnded,
    TransactionParked,
    TransactionResumed,
)
from fleetfold_master.jobs import JobOptions, Jobs
from fleetfold_master.store import Store
from fleetfold_master.transactions import TransactionOptions, Transactions
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Overloaded
from fleetfold_shared.messages import Command, CommandResult, Outcome, Rollback, Run, StepSpec, Transact
from support.master import Doctor, Outbox, answer, registry

RUN = Run(id="j1", action="restock", params={"sku": "a"}, timeout_s=60.0)
STEP = StepSpec(name="shop", node="shop", action="reserve", params={"sku": "a"}, rollback=Rollback("undo"))
ORDER = Transact(id="t1", name="an order", steps=[STEP, StepSpec(name="crm", node="crm", action="note")])


class Room:
    """One master's engines. Each event is published with the state that the database had."""

    def __init__(self, store: Store) -> None:
        self.store, self.clock, self.outbox, self.doctor = store, ManualClock(), Outbox(), Doctor()
        self.published = list[Event]()
        self.dead_letters = DeadLetters(store, self.clock, "master-1", self.published.append)
        self.jobs = Jobs(
            store, self.outbox, self.clock, self.doctor,
            JobOptions(dead_letters_for=self.dead_letters.of_task, publish=self.published.append),
        )  # fmt: skip
        nodes = registry(("shop", "active"), ("crm", "active"))
        self.transactions = Transactions(
            store, self.outbox, self.clock, self.doctor, nodes.get, TransactionOptions(publish=self.published.append)
        )

    def sent(self) -> list[Command]:
        return [command for _, command in self.outbox.take()]

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.jobs.sweep()
        await self.transactions.sweep()

    async def park(self) -> Command:
        """A transaction that is compensated in vain; its compensation."""
        await self.transactions.start(ORDER, "ann")
        [forward] = self.sent()
        await self.transactions.on_result("shop", answer(forward, result={"id": 1}))
        [second] = self.sent()
        await self.transactions.on_result("crm", answer(second, "failed"))
        while (await self.transactions.get("t1")).state != "parked":
            for command in self.sent():
                await self.transactions.on_result("shop", answer(command, "rejected"))
            await self.pass_time(60.0)
        return forward


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    store = await Store.open(f"sqlite:///{tmp_path}/master.db")
    room = Room(store)
    yield room
    await room.jobs.close()
    await room.transactions.close()
    await store.close()


def _dead(command: Command, code: str, outcome: Outcome = "unknown") -> CommandResult:
    return replace(answer(command, outcome, error="it died"), code=code, starts=5)


async def test_the_end_of_a_job_is_published_with_its_last_answer_and_no_duplicate(room: Room) -> None:
    await room.jobs.start(RUN, ["shop", "crm"], "ann")
    first, second = room.sent()
    await room.jobs.on_result("shop", answer(first))
    assert room.published == []
    await room.jobs.on_result("crm", answer(second, "failed"))
    await room.jobs.on_result("crm", answer(second, "failed"))
    assert room.published == [JobEnded("j1", "restock", "ann", "partly")]
    assert (await room.jobs.get("j1")).state == "partly"


async def test_the_end_of_a_job_that_cannot_be_written_is_not_published(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.jobs.start(RUN, ["shop"], "ann")
    [command] = room.sent()

    async def fail(*_: object) -> int:
        monkeypatch.undo()
        raise OSError("disk full")

    monkeypatch.setattr(room.store, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        await room.jobs.on_result("shop", answer(command))
    assert room.published == []
    await room.jobs.on_result("shop", answer(command))
    assert room.published == [JobEnded("j1", "restock", "ann", "ok")]


async def test_a_late_answer_that_changes_the_end_of_a_job_is_published(room: Room) -> None:
    await room.jobs.start(RUN, ["shop"], "ann")
    [command] = room.sent()
    await room.pass_time(61.0)
    assert room.published == [JobEnded("j1", "restock", "ann", "failed")]
    for _ in range(2):
        await room.jobs.on_result("shop", answer(command))
    assert room.published[1:] == [JobRevised("j1", "restock", "ann", "ok")]


async def test_a_job_that_was_never_accepted_has_no_end(room: Room) -> None:
    room.outbox.failing["shop"] = Overloaded("full")
    with pytest.raises(Overloaded):
        await room.jobs.start(RUN, ["shop"], "ann")
    assert room.published == []


async def test_a_committed_transaction_is_published_once(room: Room) -> None:
    await room.transactions.start(replace(ORDER, steps=[STEP]), "ann")
    [command] = room.sent()
    for _ in range(2):
        await room.transactions.on_result("shop", answer(command))
    assert room.published == [TransactionEnded("t1", "an order", "ann", "committed")]


async def test_a_transaction_is_parked_resumed_and_ended_each_once(room: Room) -> None:
    forward = await room.park()
    assert room.published == [TransactionParked("t1", "an order", "ann")]
    await room.transactions.on_result("shop", answer(forward))  # late, and no news
    assert len(room.published) == 1
    await room.transactions.retry("t1", "ann")
    assert room.published[1:] == [TransactionResumed("t1", "an order", "ann")]
    await room.pass_time(1.0)
    for command in room.sent():
        await room.transactions.on_result("shop", answer(command))
    assert room.published[2:] == [TransactionEnded("t1", "an order", "ann", "rolled_back")]


async def test_a_parked_transaction_that_an_operator_ends_is_published(room: Room) -> None:
    await room.park()
    await room.transactions.resolve("t1", "ann", "rolled_back", "done by hand")
    assert room.published[1:] == [TransactionEnded("t1", "an order", "ann", "rolled_back")]


async def test_a_dead_command_of_a_job_is_published_before_the_jobs_end(room: Room) -> None:
    await room.jobs.start(RUN, ["shop"], "ann")
    [command] = room.sent()
    for _ in range(2):
        await room.jobs.on_result("shop", _dead(command, "poison"))
    dead = DeadLettered(dead_letter_id(command.id), "poison", command.id, "shop", "restock", job="j1")
    assert room.published == [dead, JobEnded("j1", "restock", "ann", "failed")]


async def test_a_dead_late_answer_is_published(room: Room) -> None:
    await room.jobs.start(RUN, ["shop"], "ann")
    [command] = room.sent()
    await room.pass_time(61.0)
    for _ in range(2):
        await room.jobs.on_result("shop", _dead(command, "poison"))
    dead = DeadLettered(dead_letter_id(command.id), "poison", command.id, "shop", "restock", job="j1")
    assert room.published[1:] == [dead]


async def test_a_dead_step_is_published_once_however_often_its_result_comes(room: Room) -> None:
    await room.transactions.start(ORDER, "ann")
    [command] = room.sent()
    for _ in range(2):
        await room.dead_letters.of_step("shop", _dead(command, "poison"))
    dead = DeadLettered(dead_letter_id(command.id), "poison", command.id, "shop", "reserve", tx="t1")
    assert room.published == [dead]


async def test_the_queue_of_a_removed_node_is_published_letter_by_letter(room: Room) -> None:
    for number in range(3):
        await room.jobs.start(replace(RUN, id=f"j{number}"), ["shop"], "ann")
    for _ in range(2):
        await room.dead_letters.of_removed_node("shop")
    assert {(event.job, event.reason) for event in room.published if isinstance(event, DeadLettered)} == {
        (f"j{number}", "node_removed") for number in range(3)
    }
    assert len(room.published) == 3


async def test_what_the_broker_gives_up_is_published_once(room: Room) -> None:
    advisory = msgspec.json.encode({"consumer": "shop", "stream_seq": 7, "deliveries": 5, "reason": "unreadable"})
    for _ in range(2):
        await room.dead_letters.of_advisory("advisory", advisory)
    assert [(event.command, event.reason) for event in room.published if isinstance(event, DeadLettered)] == [
        ("shop.7", "malformed")
    ]
    assert len(room.published) == 1
