"""Cancelled jobs over a real database: what has not begun never does, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from fleetfold_master.jobs import jobs as jobs_module
from fleetfold_shared.errors import Conflict, NotFound, Unavailable
from fleetfold_shared.messages import Job, Run
from support.job_bench import JobBench, open_room, outcomes
from support.wait import eventually


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[JobBench]:
    async with open_room(f"sqlite:///{tmp_path}/master.db") as room:
        yield room


async def _ended(room: JobBench, key: str = "r") -> Job:
    async def has_ended() -> bool:
        return (await room.jobs.get(key)).state != "running"

    await eventually(has_ended)
    return await room.jobs.get(key)


async def test_what_has_not_begun_is_rejected_at_once_and_what_runs_is_asked_to_stop(room: JobBench) -> None:
    await room.jobs.start(Run(id="r", action="x", sequential=True), ["a", "b", "c"], "ann")
    [first] = room.outbox.take()
    job = await room.jobs.cancel("r", "bob")
    assert (job.state, job.cancelled_by, outcomes(job)) == ("running", "bob", [None, "rejected", "rejected"])
    assert job.nodes[1].error == "cancelled by bob before it began"
    assert await room.jobs.cancel("r", "eve") == job
    await eventually(lambda: room.nodes.asked == [("a", ["j.r.a"], "bob")])
    await room.reply(first, outcome="failed")
    job = await room.jobs.get("r")
    assert (job.state, outcomes(job)) == ("cancelled", ["failed", "rejected", "rejected"])
    assert room.sent() == []
    with pytest.raises(Conflict, match="has ended"):
        await room.jobs.cancel("r", "bob")
    with pytest.raises(NotFound, match="no job"):
        await room.jobs.cancel("z", "bob")


async def test_what_was_not_delivered_is_taken_out_of_the_queue(room: JobBench) -> None:
    room.doctor.ill = {"a"}
    await room.jobs.start(Run(id="r", action="x"), ["a", "b"], "ann")
    room.nodes.queued = {"j.r.a"}
    await room.jobs.cancel("r", "bob")
    await eventually(lambda: len(room.nodes.cancellations) == 2)
    await room.reply(*[(node, command) for node, command in room.outbox.take() if node == "b"])
    job = await _ended(room)
    assert (job.state, outcomes(job)) == ("cancelled", ["rejected", "ok"])
    assert job.nodes[0].error == "cancelled by bob before it began"
    assert ("a", {"j.r.a"}, True) in room.nodes.cancellations, "a node that is away must not find it when it returns"
    assert ("b", {"j.r.b"}, False) in room.nodes.cancellations


async def test_many_cancelled_jobs_read_a_nodes_queue_together(room: JobBench) -> None:
    room.doctor.ill = {"a"}
    ids = [f"r{number}" for number in range(300)]
    for key in ids:
        await room.jobs.start(Run(id=key, action="x"), ["a"], "ann")
    room.nodes.queued = {f"j.{key}.a" for key in ids}
    for job in await asyncio.gather(*(room.jobs.cancel(key, "bob") for key in ids)):
        assert job.cancelled_by == "bob"
    assert {(await _ended(room, key)).state for key in ids} == {"cancelled"}
    assert len(room.nodes.cancellations) < 30


async def test_a_job_whose_nodes_were_all_ok_is_ok(room: JobBench) -> None:
    await room.jobs.start(Run(id="r", action="x"), ["a"], "ann")
    await room.jobs.cancel("r", "bob")
    await room.reply(*room.outbox.take())
    job = await room.jobs.get("r")
    assert (job.state, job.cancelled_by) == ("ok", "bob")


async def test_a_node_is_asked_again_ever_more_rarely_until_it_has_answered_and_after_a_restart(room: JobBench) -> None:
    await room.jobs.start(Run(id="r", action="x", timeout_s=1000.0), ["a"], "ann")
    [sent] = room.outbox.take()
    await room.jobs.cancel("r", "bob")
    await eventually(lambda: len(room.nodes.asked) == 1)
    times = []
    for second in range(40):
        before = len(room.nodes.asked)
        await room.pass_time(1)
        for _ in range(5):
            await asyncio.sleep(0)
        if len(room.nodes.asked) > before:
            times.append(second + 1)
    assert times[:5] == [1, 3, 7, 15, 31]
    assert room.sent() == [], "what is cancelled is not sent again"
    await room.die_and_return()
    await room.pass_time(1)
    assert room.sent() == []
    await eventually(lambda: room.nodes.asked[-1] == ("a", ["j.r.a"], "bob"))
    await room.jobs.resend_all()
    assert room.sent() == []
    asked = len(room.nodes.asked)
    await room.reply(sent, outcome="failed")
    await room.pass_time(600)
    assert len(room.nodes.asked) == asked
    assert (await room.jobs.get("r")).state == "cancelled"


@pytest.mark.parametrize(("verdict", "ends"), [("never", True), ("ended", False), ("stopping", False)])
async def test_what_never_will_begin_has_ended_and_the_others_say_so_themselves(
    room: JobBench, verdict: str, ends: bool
) -> None:
    room.nodes.verdicts = {"j.r.a": verdict}  # type: ignore[dict-item]
    await room.jobs.start(Run(id="r", action="x"), ["a"], "ann")
    [sent] = room.outbox.take()
    await room.jobs.cancel("r", "bob")
    await eventually(lambda: len(room.nodes.asked) == 1)
    if ends:
        assert outcomes(await _ended(room)) == ["rejected"]
    await room.reply(sent, outcome="failed")
    job = await room.jobs.get("r")
    assert (job.state, outcomes(job)) == ("cancelled", ["failed"]), "the node's own word counts"


async def test_one_that_is_stopping_is_asked_again_for_its_node_may_die_over_it(room: JobBench) -> None:
    room.nodes.verdicts = {"j.r.a": "stopping"}
    await room.jobs.start(Run(id="r", action="x", timeout_s=1000.0), ["a"], "ann")
    await room.jobs.cancel("r", "bob")
    await eventually(lambda: len(room.nodes.asked) == 1)
    await room.pass_time(29)
    assert len(room.nodes.asked) == 1
    await room.pass_time(1)
    await eventually(lambda: len(room.nodes.asked) == 2)


@pytest.mark.parametrize("ill", [True, False])
async def test_a_cancelled_job_that_nobody_answers_ends_when_nothing_of_it_is_queued(room: JobBench, ill: bool) -> None:
    room.doctor.ill = {"a"} if ill else set()
    await room.jobs.start(Run(id="r", action="x", timeout_s=10.0), ["a"], "ann")
    room.nodes.broken = True
    await room.jobs.cancel("r", "bob")
    for _ in range(30):
        await room.pass_time(1)
        await asyncio.sleep(0)
    assert (await room.jobs.get("r")).state == "running"
    room.nodes.broken = False

    async def has_ended() -> bool:
        await room.pass_time(1)
        return (await room.jobs.get("r")).state != "running"

    await eventually(has_ended)
    assert room.nodes.cancellations[-1] == ("a", {"j.r.a"}, True), "also what was delivered to it"
    job = await room.jobs.get("r")
    assert (job.state, job.nodes[0].outcome) == ("cancelled", "unreachable" if ill else "timed_out")
    asked = len(room.nodes.asked)
    await room.pass_time(60)
    assert len(room.nodes.asked) == asked, "it is forgotten"


async def test_a_job_is_cancelled_in_its_pause_and_in_the_line_for_a_slot(room: JobBench) -> None:
    room.slots = {"y": 1}
    await room.jobs.start(Run(id="r", action="x", batch="1", pause_s=60.0), ["a", "b"], "ann")
    await room.reply(*room.outbox.take())
    for key in ("s1", "s2", "s3"):
        await room.jobs.start(Run(id=key, action="y"), ["a"], "ann")
    sent = room.outbox.take()
    assert (await room.jobs.cancel("r", "bob")).state == "cancelled"
    assert (await room.jobs.cancel("s2", "bob")).state == "cancelled"
    await room.reply(*sent)
    assert [command.id for _, command in room.outbox.take()] == ["j.s3.a"]
    await room.pass_time(60)
    assert room.sent() == []


async def test_one_over_its_time_is_asked_to_stop_if_its_node_is_there(room: JobBench) -> None:
    room.doctor.ill = {"b"}
    await room.jobs.start(Run(id="r", action="x", timeout_s=10.0), ["a", "b"], "ann")
    await room.pass_time(10)
    assert outcomes(await room.jobs.get("r")) == ["timed_out", "unreachable"]
    await eventually(lambda: [(node, ids) for node, ids, _ in room.nodes.asked] == [("a", ["j.r.a"])])
    await room.pass_time(60)
    assert len(room.nodes.asked) == 1
    assert room.nodes.cancellations == []


async def test_a_cancel_that_could_not_be_written_has_not_happened(
    room: JobBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.jobs.start(Run(id="r", action="x", sequential=True), ["a", "b"], "ann")

    async def fail(*_: object) -> int:
        monkeypatch.undo()
        raise OSError("disk full")

    monkeypatch.setattr(room.store, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        await room.jobs.cancel("r", "bob")
    await room.reply(*room.outbox.take())
    assert room.sent() == ["b"]
    assert (await room.jobs.get("r")).cancelled_by is None


async def test_who_follows_is_told_of_each_change_and_of_the_end(room: JobBench) -> None:
    await room.jobs.start(Run(id="r", action="x", sequential=True), ["a", "b"], "ann")
    seen: list[tuple[str, list[str | None]]] = []
    async with aclosing(room.jobs.changes("r", 30.0)) as changes:
        async for job in changes:
            seen.append((job.state, outcomes(job)))
            await room.reply(*room.outbox.take())
    assert seen == [("running", [None, None]), ("running", ["ok", None]), ("ok", ["ok", "ok"])]
    assert [job.state async for job in room.jobs.changes("r", 30.0)] == ["ok"]
    with pytest.raises(NotFound):
        assert [job async for job in room.jobs.changes("z", 1.0)]


async def test_who_follows_is_let_go_when_time_is_over(room: JobBench) -> None:
    await room.jobs.start(Run(id="r", action="x"), ["a"], "ann")
    assert [job.state async for job in room.jobs.changes("r", 0.01)] == ["running"]
    assert room.jobs._engine.running["r"].watchers == ()


async def test_jobs_that_only_wait_for_a_node_cost_a_sweep_nothing(
    room: JobBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.doctor.ill = {"dead"}
    ids = [f"r{number}" for number in range(3000)]
    for key in ids:
        await room.jobs.start(Run(id=key, action="x", timeout_s=1000.0), ["dead"], "ann")
    room.outbox.take()
    for _ in range(3):
        await room.pass_time(5)
    looked_after: list[str] = []
    sweep = room.jobs._sweep
    process = sweep._process

    async def watch(job: jobs_module.RunningJob, now: float) -> None:
        looked_after.append(job.id)
        await process(job, now)

    monkeypatch.setattr(sweep, "_process", watch)
    await room.pass_time(5)
    assert looked_after == []
    room.doctor.ill = set()
    for _ in range(50):
        await room.pass_time(1)
    assert room.sent() == [], "its queue is delivered without being sent twice"
    for _ in range(30):
        await room.pass_time(1)
        assert len(room.sent()) <= 100
    assert len(set(looked_after)) == 3000


async def test_what_the_broker_has_not_stored_is_sent_as_soon_as_the_node_is_back(room: JobBench) -> None:
    room.doctor.ill, room.outbox.failing = {"dead"}, {"dead": Unavailable("the broker is away")}
    await room.jobs.start(Run(id="r", action="x", timeout_s=1000.0), ["dead"], "ann")
    for _ in range(3):
        await room.pass_time(5)
    room.doctor.ill, room.outbox.failing = set(), {}
    await room.pass_time(0)
    assert room.sent() == ["dead"]
