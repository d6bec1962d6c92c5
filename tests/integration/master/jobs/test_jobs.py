"""Jobs over a real database: begun once, followed to the end, taken up again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from fleetfold_master.jobs import Jobs
from fleetfold_master.store import Store
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound, Overloaded, TooLarge
from fleetfold_shared.messages import Job, Run
from support.master import Doctor, Outbox, answer


class Room:
    """Jobs with all that they are given."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.graves: list[Store] = []
        self.outbox, self.doctor, self.clock = Outbox(), Doctor(), ManualClock()

    async def open(self) -> None:
        self.store = await Store.open(self.url)
        self.jobs = Jobs(self.store, self.outbox, self.clock, self.doctor)
        await self.jobs.recover()

    async def die_and_return(self) -> None:
        """All that was in memory is lost, and nothing was closed. (The old handle is, at the end of the test.)"""
        self.graves.append(self.store)
        await self.open()

    async def close(self) -> None:
        await self.jobs.close()
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
        await self.jobs.sweep()


@pytest.fixture
async def room(database_url: str) -> AsyncIterator[Room]:
    room = Room(database_url)
    await room.open()
    yield room
    await room.close()


def _outcomes(job: Job) -> list[str | None]:
    return [each.outcome for each in job.nodes]


RUN = Run(id="j1", action="restock", params={"sku": "a"}, timeout_s=60.0)


async def test_a_job_goes_to_every_node_and_ends_with_the_last_answer(room: Room) -> None:
    job = await room.jobs.start(RUN, ["shop", "blog"], "ann")
    assert job.state == "running"
    sent = dict(room.outbox.take())
    assert {node: command.id for node, command in sent.items()} == {"shop": "j.j1.shop", "blog": "j.j1.blog"}
    waiting = asyncio.create_task(room.jobs.wait("j1", 30))
    assert await room.jobs.on_result("shop", answer(sent["shop"], result={"left": 3}))
    assert await room.jobs.on_result("blog", answer(sent["blog"], "failed", error="no such sku"))
    ended = await waiting
    assert (ended.state, _outcomes(ended), ended.nodes[0].result) == ("partly", ["ok", "failed"], {"left": 3})
    assert await room.jobs.get("j1") == ended
    assert [each.id for each in await room.jobs.list()] == ["j1"]


async def test_the_same_id_is_the_same_job(room: Room) -> None:
    both = await asyncio.gather(*(room.jobs.start(RUN, ["shop"], "ann") for _ in range(3)))
    assert len({job.created_at for job in both}) == 1
    [(_, command)] = room.outbox.take()
    await room.jobs.on_result("shop", answer(command))
    assert (await room.jobs.start(RUN, ["shop"], "ann")).state == "ok"
    assert room.outbox.take() == []
    for other, caller in ((Run(id="j1", action="other"), "ann"), (RUN, "bob")):
        with pytest.raises(Conflict, match="choose a new id"):
            await room.jobs.start(other, ["shop"], caller)


async def test_a_sequential_job_gives_each_node_its_turn_and_goes_on_after_a_failure(room: Room) -> None:
    run = Run(id="j2", action="restock", sequential=True, timeout_s=10.0)
    await room.jobs.start(run, ["a", "b", "c"], "ann")
    [(node, command)] = room.outbox.take()
    assert node == "a"
    await room.jobs.on_result("a", answer(command, "failed"))
    assert [node for node, _ in room.outbox.take()] == ["b"]
    await room.pass_time(10)
    [(node, command)] = room.outbox.take()
    assert node == "c"
    await room.jobs.on_result("c", answer(command))
    assert _outcomes(await room.jobs.get("j2")) == ["failed", "timed_out", "ok"]


async def test_an_unanswered_command_is_sent_again_ever_more_rarely_with_the_next_attempt(room: Room) -> None:
    await room.jobs.start(Run(id="j3", action="x", timeout_s=1000), ["shop"], "ann")
    times = []
    for second in range(200):
        await room.pass_time(1)
        times += [(second + 1, command.attempt) for _, command in room.outbox.take() if command.attempt > 1]
    assert times == [(5, 2), (10, 3), (20, 4), (40, 5), (80, 6), (140, 7), (200, 8)]


async def test_a_node_that_is_away_is_unreachable_and_its_late_answer_counts(room: Room) -> None:
    await room.jobs.start(RUN, ["shop", "blog"], "ann")
    sent = dict(room.outbox.take())
    room.doctor.ill = {"shop"}
    await room.pass_time(60)
    job = await room.jobs.get("j1")
    assert (job.state, _outcomes(job)) == ("failed", ["unreachable", "timed_out"])
    for _ in range(2):
        assert await room.jobs.on_result("shop", answer(sent["shop"]))
    assert await room.jobs.on_result("shop", answer(sent["shop"], "failed"))
    job = await room.jobs.get("j1")
    assert (job.state, _outcomes(job)) == ("partly", ["ok", "timed_out"])


async def test_a_late_answer_replaces_a_timeout_while_the_job_still_runs(room: Room) -> None:
    run = Run(id="j4", action="x", sequential=True, timeout_s=10.0)
    await room.jobs.start(run, ["a", "b"], "ann")
    [(_, first)] = room.outbox.take()
    await room.pass_time(10)
    [(_, second)] = room.outbox.take()
    await room.jobs.on_result("a", answer(first))
    assert room.outbox.take() == []
    await room.jobs.on_result("b", answer(second))
    assert (await room.jobs.get("j4")).state == "ok"


async def test_a_restart_takes_up_every_unfinished_job(room: Room) -> None:
    await room.jobs.start(RUN, ["a", "b"], "ann")
    sent = dict(room.outbox.take())
    await room.jobs.on_result("a", answer(sent["a"]))
    await room.die_and_return()
    await room.pass_time(0)
    [(node, command)] = room.outbox.take()
    assert (node, command.id, command.attempt, command.params) == ("b", "j.j1.b", 2, {"sku": "a"})
    await room.jobs.on_result("b", answer(command))
    assert (await room.jobs.get("j1")).state == "ok"


async def test_a_sequential_job_goes_on_after_a_restart(room: Room) -> None:
    await room.jobs.start(Run(id="j5", action="x", sequential=True), ["a", "b"], "ann")
    [(_, command)] = room.outbox.take()
    await room.die_and_return()
    await room.jobs.on_result("a", answer(command))
    [(node, command)] = room.outbox.take()
    assert node == "b"
    await room.die_and_return()
    await room.jobs.on_result("b", answer(command))
    assert (await room.jobs.wait("j5", 0)).state == "ok"


async def test_a_full_queue_is_tried_again_and_a_body_too_large_is_not(room: Room) -> None:
    room.outbox.failing = {"full": Overloaded("full"), "small": TooLarge("the body is over 1 MB")}
    await room.jobs.start(Run(id="j6", action="x"), ["full", "small"], "ann")
    job = await room.jobs.get("j6")
    assert _outcomes(job) == [None, "rejected"]
    assert job.nodes[1].error == "the body is over 1 MB"
    room.outbox.failing = {}
    await room.pass_time(5)
    assert [node for node, _ in room.outbox.take()] == ["full"]


async def test_a_sequential_job_that_can_be_sent_to_nobody_ends(room: Room) -> None:
    nodes = [f"n{i}" for i in range(300)]
    room.outbox.failing = dict.fromkeys(nodes, TooLarge("too large"))
    job = await room.jobs.start(Run(id="j7", action="x", sequential=True), nodes, "ann")
    assert job.state == "failed"


async def test_when_the_broker_has_lost_everything_all_is_sent_again(room: Room) -> None:
    await room.jobs.start(RUN, ["a", "b"], "ann")
    sent = dict(room.outbox.take())
    await room.jobs.on_result("a", answer(sent["a"]))
    await room.jobs.resend_all()
    assert [(node, command.attempt) for node, command in room.outbox.take()] == [("b", 2)]


async def test_results_of_others_are_left_to_others(room: Room) -> None:
    await room.jobs.start(RUN, ["a"], "ann")
    [(_, command)] = room.outbox.take()
    assert not await room.jobs.on_result("liar", answer(command))
    assert not await room.jobs.on_result("a", msgspec.structs.replace(answer(command), id="t.x.y.f"))
    assert (await room.jobs.get("j1")).state == "running"


async def test_a_cancelled_caller_leaves_memory_and_database_agreed(room: Room) -> None:
    starting = asyncio.create_task(room.jobs.start(RUN, ["a"], "ann"))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await room.jobs.close()
    [(_, command)] = room.outbox.take()
    assert await room.jobs.on_result("a", answer(command))
    assert (await room.jobs.get("j1")).state == "ok"


async def test_refusals(room: Room) -> None:
    with pytest.raises(InvalidInput, match="nodes: "):
        await room.jobs.start(RUN, [], "ann")
    with pytest.raises(NotFound, match="no job"):
        await room.jobs.get("nothing")
    with pytest.raises(NotFound, match="no job"):
        await room.jobs.wait("nothing", 1)


async def test_an_answer_that_could_not_be_written_is_not_acknowledged_and_counts_when_it_comes_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.jobs.start(Run(id="j8", action="x", sequential=True), ["a", "b"], "ann")
    [(_, command)] = room.outbox.take()
    room.fail_next_write(monkeypatch)
    with pytest.raises(OSError, match="disk full"):
        await room.jobs.on_result("a", answer(command))
    assert _outcomes(await room.jobs.get("j8")) == [None, None]
    await room.jobs.on_result("a", answer(command))
    assert _outcomes(await room.jobs.get("j8")) == ["ok", None]
    assert [node for node, _ in room.outbox.take()] == ["b"]
