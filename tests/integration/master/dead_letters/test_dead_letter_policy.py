"""Dead letters over a real database: written with the end of what they belong to, once, and kept within bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fleetfold_broker.identity.seal_check import NOT_SEALED
from fleetfold_master.dead_letters import DeadLetters, dead_letter_of_delivery
from fleetfold_master.jobs import JobOptions, Jobs
from fleetfold_master.store import Store
from fleetfold_master.transactions import Transactions
from fleetfold_master.webhooks.model import Delivery
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Conflict, NotFound, TooLarge
from fleetfold_shared.messages import (
    Command,
    CommandResult,
    DeadLetter,
    DeadLetterList,
    Outcome,
    Rollback,
    Run,
    StepSpec,
    Transact,
)
from support.master import Doctor, Outbox, answer, registry

ALL = DeadLetterList()
RUN = Run(id="j1", action="restock", params={"sku": "a"}, timeout_s=60.0)


class Room:
    """One master's jobs, transactions and dead letters."""

    def __init__(self, store: Store) -> None:
        self.store, self.clock, self.outbox, self.doctor = store, ManualClock(), Outbox(), Doctor()
        self.dead_letters = DeadLetters(store, self.clock, "master-1")
        self.jobs = Jobs(
            store, self.outbox, self.clock, self.doctor, JobOptions(dead_letters_for=self.dead_letters.of_task)
        )
        nodes = registry(("shop", "active"), ("blog", "active"))
        self.transactions = Transactions(store, self.outbox, self.clock, self.doctor, nodes.get)

    async def run(self, run: Run = RUN, *nodes: str) -> Command:
        """The first command of a job."""
        await self.jobs.start(run, nodes or ["shop"], "ann")
        return self.outbox.take()[0][1]

    async def found(self, ask: DeadLetterList = ALL) -> list[DeadLetter]:
        return (await self.dead_letters.list(ask))[0]

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.jobs.sweep()
        await self.transactions.sweep()


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    store = await Store.open(f"sqlite:///{tmp_path}/master.db")
    room = Room(store)
    yield room
    await room.jobs.close()
    await room.transactions.close()
    await store.close()


def _dead(command: Command, code: str, outcome: Outcome = "unknown", error: str = "it died") -> CommandResult:
    return replace(answer(command, outcome, error=error), code=code, starts=5)


@pytest.mark.parametrize(
    ("code", "outcome", "reason"),
    [
        ("poison", "unknown", "poison"),
        ("interrupted", "unknown", "interrupted"),
        ("expired", "timed_out", "expired"),
        ("no_action", "rejected", "no_action"),
        ("bad_params", "rejected", "rejected"),
    ],
)
async def test_what_nobody_will_do_any_more_is_a_dead_letter_with_its_history(
    room: Room, code: str, outcome: Outcome, reason: str
) -> None:
    command = await room.run()
    room.clock.advance(3)
    await room.jobs.on_result("shop", _dead(command, code, outcome))
    [dead] = await room.found()
    assert (dead.reason, dead.node, dead.action, dead.params) == (
        reason,
        "shop",
        "restock",
        {"sku": "a"},
    )
    assert (dead.command, dead.job, dead.caller, dead.error) == (
        "j.j1.shop",
        "j1",
        "ann",
        "it died",
    )
    assert [event.what for event in dead.history] == ["accepted", "sent", "begun", outcome]
    assert "master-1" in dead.history[-1].why
    assert await room.dead_letters.get(dead.id) == dead


@pytest.mark.parametrize("outcome", ["ok", "failed", "timed_out", "unknown", "rejected"])
async def test_an_answer_is_no_dead_letter(room: Room, outcome: Outcome) -> None:
    await room.jobs.on_result("shop", answer(await room.run(), outcome, error="no such sku"))
    assert await room.found() == []


async def test_the_dead_letter_is_in_the_same_commit_as_the_tasks_end(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = await room.run()

    async def fail(*writes: object) -> int:
        assert len(writes) >= 3  # the task's end, the dead letter, the job's end
        monkeypatch.undo()
        raise OSError("disk full")

    monkeypatch.setattr(room.store, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        await room.jobs.on_result("shop", _dead(command, "poison"))
    assert await room.found() == []
    await room.jobs.on_result("shop", _dead(command, "poison"))
    assert len(await room.found()) == 1


async def test_heard_of_twice_it_is_one_dead_letter(room: Room) -> None:
    command = await room.run()
    for _ in range(3):
        await room.jobs.on_result("shop", _dead(command, "poison"))
    assert len(await room.found()) == 1


async def test_what_expires_after_its_job_has_ended_is_a_dead_letter_too(room: Room) -> None:
    command = await room.run()
    room.doctor.ill = {"shop"}
    await room.pass_time(60)
    assert (await room.jobs.get("j1")).state == "failed"
    for _ in range(2):
        await room.jobs.on_result("shop", _dead(command, "expired", "timed_out"))
    assert [dead.reason for dead in await room.found()] == ["expired"]


async def test_what_the_broker_can_never_take_is_a_dead_letter(room: Room) -> None:
    room.outbox.failing["shop"] = TooLarge("the command takes 2 MB")
    await room.jobs.start(RUN, ["shop"], "ann")
    [dead] = await room.found()
    assert (dead.reason, dead.error) == ("too_large", "the command takes 2 MB")


async def test_long_parameters_give_way_to_their_size_and_are_there_for_the_retry(room: Room) -> None:
    params = {"text": "x" * 50_000}
    await room.jobs.on_result("shop", _dead(await room.run(replace(RUN, params=params)), "poison"))
    [dead] = await room.found()
    assert (dead.params, dead.whole) == ({"left_out_bytes": 50_011}, False)
    assert (await room.dead_letters.again(dead)).params == params


async def test_again_is_a_new_job_and_only_once(room: Room) -> None:
    await room.jobs.on_result("shop", _dead(await room.run(), "poison"))
    [dead] = await room.found()
    run = await room.dead_letters.again(dead)
    assert (run.id, run.action, run.nodes, run.params) == (f"l-{dead.id}", "restock", ["shop"], {"sku": "a"})
    await room.dead_letters.retried(dead, run, "bob")
    retried = await room.dead_letters.get(dead.id)
    assert (retried.retried_as, retried.retried_by) == (run.id, "bob")
    with pytest.raises(Conflict, match=run.id):
        await room.dead_letters.again(retried)
    assert await room.found() == []
    assert len(await room.found(DeadLetterList(retried=True))) == 1


STEP = StepSpec(name="a", node="shop", action="reserve", params={"sku": "x", "quantity": 1}, rollback=Rollback("undo"))


async def _take(room: Room, node: str, result: CommandResult) -> bool:
    known = await room.transactions.on_result(node, result)
    await room.dead_letters.of_step(node, result)
    return known


async def test_a_steps_poison_is_a_dead_letter_that_leads_to_the_transaction(room: Room) -> None:
    await room.transactions.start(Transact(id="t1", steps=[STEP]), "ann")
    take = partial(_take, room)
    [(_, command)] = room.outbox.take()
    assert await take("shop", _dead(command, "poison"))
    [dead] = await room.found()
    assert (dead.tx, dead.step, dead.action, dead.caller) == ("t1", "a", "reserve", "ann")
    with pytest.raises(Conflict, match="fleetfold tx retry t1"):
        await room.dead_letters.again(dead)


async def test_a_step_that_only_turns_its_transaction_back_is_no_dead_letter_and_what_cannot_undo_it_is(
    room: Room,
) -> None:
    second = StepSpec(name="b", node="blog", action="note", params={"text": "x"})
    await room.transactions.start(Transact(id="t1", steps=[STEP, second]), "ann")
    take = partial(_take, room)
    [(_, first)] = room.outbox.take()
    await take("shop", answer(first))
    [(_, note)] = room.outbox.take()
    await take("blog", _dead(note, "expired", "timed_out"))
    assert await room.found() == []
    compensations = [command for _, command in room.outbox.take() if command.action == "undo"]
    while not compensations:
        await room.pass_time(1)
        for node, command in room.outbox.take():
            if command.action == "undo":
                compensations.append(command)
            else:
                await take(node, answer(command, tombstone=True))
    await take("shop", _dead(compensations[0], "no_action", "rejected"))
    [dead] = await room.found()
    assert (dead.reason, dead.tx, dead.step, dead.action) == (
        "no_action",
        "t1",
        "a",
        "undo",
    )


async def test_what_is_queued_for_a_node_that_is_removed_is_kept(room: Room) -> None:
    command = await room.run(RUN, "shop", "blog")
    room.outbox.take()
    await room.jobs.on_result("shop", answer(command))
    await room.run(replace(RUN, id="j2"), "shop")
    for _ in range(2):
        await room.dead_letters.of_removed_node("shop")
    [dead] = await room.found()
    assert (dead.reason, dead.job) == ("node_removed", "j2")
    with pytest.raises(Conflict, match="j2 has not ended"):
        await room.dead_letters.again(dead)
    await room.pass_time(60)
    assert (await room.dead_letters.again(dead)).nodes == ["shop"]


async def test_done_after_all_it_is_not_done_again(room: Room) -> None:
    command = await room.run()
    await room.dead_letters.of_removed_node("shop")
    await room.jobs.on_result("shop", answer(command))
    [dead] = await room.found()
    with pytest.raises(Conflict, match="has been done since"):
        await room.dead_letters.again(dead)


def _advisory(reason: str, seq: int = 7) -> bytes:
    return msgspec.json.encode({"consumer": "shop", "stream_seq": seq, "deliveries": 1, "reason": reason})


async def test_what_a_node_could_not_read_is_a_dead_letter_with_its_job(room: Room) -> None:
    await room.run()
    for _ in range(2):
        await room.dead_letters.of_advisory("", _advisory("j.j1.shop v: this side speaks protocol 1"))
    await room.dead_letters.of_advisory("", _advisory("- not usable JSON"))
    await room.dead_letters.of_advisory("", b"not json")
    nameless, named = sorted(await room.found(), key=lambda dead: dead.job or "")
    assert (named.reason, named.job, named.params) == ("malformed", "j1", {"sku": "a"})
    assert named.error == "v: this side speaks protocol 1"
    assert (nameless.command, nameless.job) == ("shop.7", None)
    with pytest.raises(Conflict, match="too little is known"):
        await room.dead_letters.again(nameless)


def _unsealed(command: str) -> bytes:
    return _advisory(f"{command} fleet.cmd.shop: {NOT_SEALED}; only masters may ask a node")


async def test_a_command_under_way_that_is_sent_again_with_a_seal_is_no_dead_letter(room: Room) -> None:
    command = await room.run()
    await room.transactions.start(Transact(id="t1", steps=[STEP]), "ann")
    for named in (command.id, "t.t1.a.f", "t.t1.a.c"):
        await room.dead_letters.of_advisory("", _unsealed(named))
    assert await room.found() == []


async def test_a_command_without_a_seal_that_no_master_has_under_way_is_a_dead_letter(room: Room) -> None:
    await room.jobs.on_result("shop", answer(await room.run()))
    await room.transactions.start(Transact(id="t1", steps=[STEP]), "ann")
    for _, step in room.outbox.take():
        await _take(room, "shop", answer(step))
    forged = ("j.j1.shop", "j.j1.blog", "j.unknown.shop", "t.t1.a.f", "t.t9.a.f", "-")
    for seq, named in enumerate(forged):
        await room.dead_letters.of_advisory("", _unsealed(named).replace(b":7,", b":%d," % seq))
    assert len(await room.found()) == len(forged)


async def test_a_callback_that_was_given_up_is_a_dead_letter(room: Room) -> None:
    gone = Delivery(
        id="d1", mark="m", type="job.ended", record="j1", name="ann", place="https://example.org", created_at=1.0,
        url="https://example.org/hook", tries=36,
    )  # fmt: skip
    await room.store.write(*(one.write for one in dead_letter_of_delivery(gone, "it gave up", 5.0)))
    [dead] = await room.found()
    assert (dead.reason, dead.job, dead.action) == ("undelivered", "j1", "https://example.org/hook")
    assert [(one.what, one.why) for one in dead.history] == [("job.ended", "j1"), ("abandoned", "after 36 tries")]


async def test_they_are_found_by_what_they_are(room: Room) -> None:
    for number, (node, code) in enumerate([("shop", "poison"), ("blog", "poison"), ("shop", "expired")]):
        command = await room.run(replace(RUN, id=f"j{number}"), node)
        room.clock.advance(10)
        await room.jobs.on_result(node, _dead(command, code))
    filters: list[dict[str, Any]] = [
        {"node": "shop"}, {"reason": "poison"}, {"node": "shop", "reason": "poison"}, {"job": "j1"},
        {"since": room.clock.wall() - 15}, {"action": "restock"}, {"tx": "t9"},
    ]  # fmt: skip
    found = [len(await room.found(DeadLetterList(**given))) for given in filters]
    assert found == [2, 2, 1, 1, 2, 3, 0]
    assert [dead.job for dead in await room.found()] == ["j2", "j1", "j0"]
    assert (await room.dead_letters.list(ALL, caller="bob")) == ([], 0)
    first, total = await room.dead_letters.list(DeadLetterList(limit=1))
    rest, left = await room.dead_letters.list(DeadLetterList(before=(first[0].at, first[0].id)))
    assert ([dead.job for dead in rest], total, left) == (["j1", "j0"], 3, 2)


async def test_they_are_kept_within_bounds(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_master.dead_letters.dead_letters.MOST", 3)
    for number in range(6):
        room.clock.advance(1)
        await room.jobs.on_result("shop", _dead(await room.run(replace(RUN, id=f"j{number}")), "poison"))
    await room.dead_letters.prune()
    assert [dead.job for dead in await room.found()] == ["j5", "j4", "j3"]
    room.clock.advance(91 * 86_400)
    await room.dead_letters.prune()
    assert await room.found() == []


async def test_dropped_it_is_gone(room: Room) -> None:
    await room.jobs.on_result("shop", _dead(await room.run(), "poison"))
    [dead] = await room.found()
    await room.dead_letters.drop(dead.id)
    with pytest.raises(NotFound, match="fleetfold dead-letters list"):
        await room.dead_letters.get(dead.id)
