"""Jobs in batches and under slots, over a real database: what begins when, and after which death of the master."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, update

from fleetfold_master.store.compiled_statements import Write
from fleetfold_master.store.tables import job as job_table
from fleetfold_shared.errors import InvalidInput, Overloaded, Unavailable
from fleetfold_shared.messages import Progress, ProgressReport, RetryPolicy, Run
from support.job_bench import JobBench, open_room, outcomes

NODES = ["a", "b", "c", "d", "e"]


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[JobBench]:
    async with open_room(f"sqlite:///{tmp_path}/master.db") as room:
        yield room


def _rolling(**more: object) -> Run:
    return Run(id="r", action="x", batch="2", timeout_s=10.0, **more)  # type: ignore[arg-type]


async def test_a_batch_begins_when_the_one_before_has_ended_and_the_pause_is_over(room: JobBench) -> None:
    job = await room.jobs.start(_rolling(pause_s=30.0), NODES, "ann")
    assert [each.began for each in job.nodes] == [True, True, False, False, False]
    first, second = room.outbox.take()
    await room.reply(first)
    await room.pass_time(4)
    assert room.sent() == []
    await room.reply(second)
    await room.pass_time(29)
    assert room.sent() == []
    await room.pass_time(1)
    assert room.sent() == ["c", "d"]


async def test_without_a_pause_the_next_batch_begins_with_the_answer(room: JobBench) -> None:
    await room.jobs.start(_rolling(), NODES, "ann")
    batches = []
    while sent := room.outbox.take():
        batches.append([node for node, _ in sent])
        await room.reply(*sent)
    assert batches == [["a", "b"], ["c", "d"], ["e"]]
    assert (await room.jobs.get("r")).state == "ok"


@pytest.mark.parametrize("back_s", [0, 5000])
async def test_a_pause_goes_on_after_a_restart_and_is_no_longer_than_it_was(room: JobBench, back_s: float) -> None:
    await room.jobs.start(_rolling(pause_s=30.0), NODES, "ann")
    await room.reply(*room.outbox.take())
    await room.pass_time(20)
    await room.die_and_return()
    if back_s:
        await room.pass_time(-back_s)
        await room.pass_time(29)
        assert room.sent() == []
        await room.pass_time(1)
    else:
        await room.pass_time(9)
        assert room.sent() == []
        await room.pass_time(1)
    assert room.sent() == ["c", "d"]


async def test_a_death_between_the_end_of_a_batch_and_the_next_loses_nothing(
    room: JobBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.jobs.start(_rolling(), NODES, "ann")
    sent = room.outbox.take()
    await room.reply(sent[0])
    write, writes = room.store.write, []

    async def fail_after_the_first(*wanted: Write) -> int:
        writes.append(wanted)
        if len(writes) > 1:
            raise OSError("disk full")
        return await write(*wanted)

    monkeypatch.setattr(room.store, "write", fail_after_the_first)
    with pytest.raises(OSError, match="disk full"):
        await room.reply(sent[1])
    await room.die_and_return()
    assert room.sent() == []
    await room.pass_time(0)
    assert room.sent() == ["c", "d"]


async def test_too_many_failures_stop_the_rollout_and_say_so(room: JobBench) -> None:
    await room.jobs.start(_rolling(max_failures="20%"), NODES, "ann")
    one, two = room.outbox.take()
    await room.reply(one, outcome="failed")
    await room.reply(two)
    three, four = room.outbox.take()
    await room.reply(three)
    assert (await room.jobs.get("r")).state == "running"
    await room.reply(four, outcome="failed")
    assert room.sent() == []
    for _ in range(2):
        job = await room.jobs.get("r")
        assert (job.state, outcomes(job)) == ("partly", ["failed", "ok", "ok", "failed", "rejected"])
        assert job.note == "the roll-out stopped after 2 of 5 failed"
        assert (job.nodes[4].error, job.nodes[4].began) == (f"not started: {job.note}", False)
        await room.die_and_return()


async def test_a_late_answer_counts_as_what_it_is_when_that_is_decided(room: JobBench) -> None:
    await room.jobs.start(_rolling(max_failures="0"), NODES, "ann")
    room.doctor.ill = {"b"}
    sent = room.outbox.take()
    await room.pass_time(9)
    await room.reply(sent[0])
    room.doctor.ill = set()
    await room.reply(sent[1])
    assert room.sent()[-2:] == ["c", "d"]


async def test_a_plan_that_makes_no_sense_begins_nothing(room: JobBench) -> None:
    with pytest.raises(InvalidInput, match="batch: "):
        await room.jobs.start(Run(id="r", action="x", batch="0"), NODES, "ann")
    assert await room.jobs.list() == []
    assert room.sent() == []


async def test_of_an_action_with_slots_no_more_are_out_over_all_jobs(room: JobBench) -> None:
    room.slots = {"x": 2}
    await room.jobs.start(Run(id="r1", action="x"), ["a", "b", "c"], "ann")
    await room.jobs.start(Run(id="r2", action="x"), ["a"], "bob")
    await room.jobs.start(Run(id="r3", action="y"), ["a"], "bob")
    sent = room.outbox.take()
    assert [command.id for _, command in sent] == ["j.r1.a", "j.r1.b", "j.r3.a"]
    assert [each.began for each in (await room.jobs.get("r1")).nodes] == [True, True, False]
    await room.reply(sent[0])
    [third] = room.outbox.take()
    assert third[1].id == "j.r1.c"
    await room.die_and_return()
    await room.pass_time(0)
    assert sorted(command.id for _, command in room.outbox.take()) == ["j.r1.b", "j.r1.c", "j.r3.a"]
    await room.reply(third)
    [(_, last)] = room.outbox.take()
    assert last.id == "j.r2.a"


async def test_what_was_given_up_holds_its_slot_until_it_answers_or_its_lease_is_over(room: JobBench) -> None:
    room.slots = {"x": 1}
    for key in ("r1", "r2", "r3"):
        await room.jobs.start(Run(id=key, action="x", timeout_s=10.0), ["a"], "ann")
    [late] = room.outbox.take()
    await room.pass_time(10)
    assert (await room.jobs.get("r1")).state == "failed"
    assert room.sent() == []
    await room.reply(late)
    [second] = room.outbox.take()
    assert second[1].id == "j.r2.a"
    await room.pass_time(10)
    await room.die_and_return()
    await room.pass_time(59)
    assert room.sent() == []
    await room.pass_time(1)
    [(_, third)] = room.outbox.take()
    assert third.id == "j.r3.a"


async def test_a_queue_that_is_full_pushes_back_and_the_same_job_may_be_tried_again(room: JobBench) -> None:
    room.outbox.failing = {"a": Overloaded("full")}
    with pytest.raises(Overloaded, match="the queue of 'a' is full, and nothing was begun") as refused:
        await room.jobs.start(Run(id="r", action="x"), ["a"], "ann")
    assert refused.value.field is None
    assert await room.jobs.list() == []
    room.outbox.failing = {}
    assert (await room.jobs.start(Run(id="r", action="x"), ["a"], "ann")).state == "running"
    assert room.sent() == ["a"]


async def test_among_several_nodes_a_full_queue_is_tried_until_the_end_and_then_named(room: JobBench) -> None:
    room.outbox.failing = {"a": Overloaded("full")}
    await room.jobs.start(Run(id="r", action="x", timeout_s=30.0), ["a", "b"], "ann")
    await room.reply(*room.outbox.take())
    for _ in range(6):
        await room.pass_time(5)
    job = await room.jobs.get("r")
    assert outcomes(job) == ["rejected", "ok"]
    assert job.nodes[0].error == "the queue of 'a' was full all the time; it never began"


async def test_ten_thousand_targets_are_sent_in_waves_and_not_at_all_while_the_broker_is_away(room: JobBench) -> None:
    nodes = [f"n{number}" for number in range(10_000)]
    at_once, most = 0, 0
    send = room.outbox.send

    async def count(node: str, command: object) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await send(node, command)  # type: ignore[arg-type]
        at_once -= 1

    room.outbox.send = count  # type: ignore[method-assign]
    await room.jobs.start(Run(id="r", action="x"), nodes, "ann")
    assert len(room.sent()) == 10_000
    assert most <= 256


async def test_a_broker_that_is_away_is_asked_for_one_wave_only(room: JobBench) -> None:
    nodes = [f"n{number}" for number in range(1000)]
    tried = 0

    async def away(_node: str, _command: object) -> None:
        nonlocal tried
        tried += 1
        raise Unavailable("nobody there")

    send, room.outbox.send = room.outbox.send, away  # type: ignore[method-assign]
    await room.jobs.start(Run(id="r", action="x"), nodes, "ann")
    assert tried <= 256
    room.outbox.send = send  # type: ignore[method-assign]
    await room.pass_time(5)
    assert sorted(room.sent()) == sorted(nodes)


async def test_all_that_was_asked_reaches_the_node_and_outlives_the_master(room: JobBench) -> None:
    retry = RetryPolicy(attempts=3, on=["timeout"])
    run = Run(
        id="r", action="x", params={"sku": "a"}, timeout_s=5.0, start_within_s=60.0, heartbeat_s=2.0, overall_s=100.0,
        retry=retry,
    )  # fmt: skip
    await room.jobs.start(run, ["a"], "ann")
    [(_, command)] = room.outbox.take()
    for again in range(2):
        assert (command.timeout_s, command.start_within_s, command.heartbeat_s) == (5.0, 60.0, 2.0)
        assert (command.overall_s, command.retry, command.attempt) == (100.0, retry, again + 1)
        if not again:
            await room.die_and_return()
            await room.pass_time(5)
            [(_, command)] = room.outbox.take()
    await room.pass_time(94)
    assert (await room.jobs.get("r")).state == "running"
    await room.pass_time(1)
    assert outcomes(await room.jobs.get("r")) == ["timed_out"]


async def test_a_job_of_an_earlier_release_goes_on(room: JobBench) -> None:
    run = Run(id="r", action="x", params={"sku": "a"}, sequential=True, timeout_s=20.0)
    await room.jobs.start(run, ["a", "b"], "ann")
    await room.store.write(Write(update(job_table).values(spec=bindparam("spec")), [{"spec": None}]))
    room.outbox.take()
    await room.die_and_return()
    await room.pass_time(0)
    sent = room.outbox.take()
    assert [(node, command.params, command.timeout_s) for node, command in sent] == [("a", {"sku": "a"}, 20.0)]
    await room.reply(*sent)
    assert room.sent() == ["b"]


async def test_waiting_longer_or_confirming_makes_no_other_job_of_it(room: JobBench) -> None:
    for run in (Run(id="r", action="x"), Run(id="r", action="x", wait_ms=500, confirmed=True)):
        assert (await room.jobs.start(run, ["a"], "ann")).state == "running"
    assert room.sent() == ["a"]


async def test_progress_is_shown_at_once_and_outlives_the_master(room: JobBench) -> None:
    await room.jobs.start(Run(id="r", action="x"), ["a", "b"], "ann")
    sent = room.outbox.take()
    half, done = Progress(done=5, total=10, note="orders"), Progress(done=10, total=10)
    assert room.jobs.results.progress("a", ProgressReport(id="j.r.a", progress=half))
    assert not room.jobs.results.progress("b", ProgressReport(id="j.r.a", progress=half)), "it is not its command"
    assert not room.jobs.results.progress("a", ProgressReport(id="j.z.a", progress=half)), "nobody's"
    assert (await room.jobs.get("r")).nodes[0].progress == half
    await room.jobs.results.save_progress()
    await room.die_and_return()
    assert (await room.jobs.get("r")).nodes[0].progress == half
    room.jobs.results.progress("b", ProgressReport(id="j.r.b", progress=done))
    await room.reply(*sent)
    assert not room.jobs.results.progress("a", ProgressReport(id="j.r.a", progress=done)), "it has ended"
    assert [each.progress for each in (await room.jobs.get("r")).nodes] == [half, done]
