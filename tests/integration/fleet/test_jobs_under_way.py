"""Jobs under way in a whole fleet: cancelled, rolled out, followed, paused over a restart, pushed back."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import aclosing

import pytest

from fleetfold import Context, action
from fleetfold_broker.jetstream import topology
from fleetfold_broker.jetstream.topology import COMMANDS
from fleetfold_master.nodes import DeclaredLimits
from fleetfold_shared.errors import Conflict, Forbidden, NotFound, Overloaded
from fleetfold_shared.messages import Job, Progress, ProgressReport, Run, Scopes, StepSpec
from support.broker import queued
from support.inprocess import Fleet, fleet, quick_callers, quick_upkeep
from support.wait import eventually

__all__ = ["fleet", "quick_callers", "quick_upkeep"]


@pytest.fixture
async def pair(fleet: Fleet) -> Fleet:
    """A fleet with the children `shop` and `blog`."""
    for name in ("shop", "blog"):
        await fleet.start_child(name)
    return fleet


def outcomes(job: Job) -> dict[str, str | None]:
    return {node.node: node.outcome for node in job.nodes}


def _kept_progress(fleet: Fleet) -> list[tuple[str | None]]:
    connection = sqlite3.connect(fleet.place / "master" / "master.db")
    try:
        return connection.execute("SELECT progress FROM job_node").fetchall()
    finally:
        connection.close()


async def _begin(fleet: Fleet, run: Run) -> Job:
    """The run as it is, without the client's own waiting."""
    return await fleet.client.jobs.start(run)


async def test_a_command_queued_for_a_dead_child_never_starts_when_it_returns(pair: Fleet) -> None:
    await pair.stop_child("shop")
    job = await pair.client.run("enter", {"tx": "x", "step": "a"}, nodes=["shop", "blog"], detach=True)
    kept = await pair.client.run("enter", {"tx": "x", "step": "b"}, nodes=["shop"], detach=True)
    asked = await pair.client.jobs.cancel(job.id)
    assert asked.cancelled_by == "tester"
    ended = await pair.client.jobs.wait(job.id, 20)
    assert (ended.state, outcomes(ended)["shop"]) == ("cancelled", "rejected")
    assert ended.nodes[0].error == "cancelled by tester before it began"
    async with pair.masters_bus() as bus:
        assert await queued(bus, COMMANDS) == 1
    await pair.start_child("shop")
    assert (await pair.client.jobs.wait(kept.id, 20)).state == "ok"
    assert pair.effects("shop") == [("b", "do")]
    with pytest.raises(Conflict, match="has ended"):
        await pair.client.jobs.cancel(job.id)
    with pytest.raises(NotFound):
        await pair.client.jobs.cancel("z")


async def test_a_running_command_is_told_to_stop(pair: Fleet) -> None:
    job = await pair.client.run("doze", {"seconds": 60}, nodes=["shop", "blog"], detach=True)
    await eventually(lambda: all(child._node.in_flight for child in pair.children.values()))
    await pair.client.jobs.cancel(job.id)
    ended = await pair.client.jobs.wait(job.id, 20)
    assert ended.state == "cancelled"
    assert all("cancelled by tester" in (node.error or "") for node in ended.nodes)
    await eventually(lambda: not any(child._node.in_flight for child in pair.children.values()))


async def test_a_transaction_that_turns_back_does_not_wait_for_its_long_steps(pair: Fleet) -> None:
    step = StepSpec(name="long", node="shop", action="doze", params={"seconds": 60}, timeout_s=60)
    view = await pair.client.transact([step], detach=True)
    await eventually(lambda: pair.children["shop"]._node.in_flight > 0)
    await pair.client.transactions.cancel(view.id)
    assert (await pair.client.transactions.wait(view.id, 20)).state in {"rolled_back", "parked"}
    await eventually(lambda: not pair.children["shop"]._node.in_flight)


async def test_a_cancelled_job_stays_so_when_the_master_dies_and_the_child_returns(pair: Fleet) -> None:
    await pair.stop_child("shop")
    job = await pair.client.run("enter", {"tx": "x"}, nodes=["shop"], detach=True)
    await pair.client.jobs.cancel(job.id)
    await pair.stop_master()
    await pair.start_master()
    await pair.start_child("shop")
    assert (await pair.client.jobs.wait(job.id, 20)).state == "cancelled"
    assert pair.effects("shop") == []


async def test_a_rollout_with_a_failing_node_stops_where_it_is_told_to(fleet: Fleet) -> None:
    @action
    async def upgrade(ctx: Context) -> str:
        """Fails on b."""
        if ctx.node == "b":
            raise ValueError("no disk")
        return ctx.node

    for name in "abcd":
        await fleet.start(fleet.declare(name).add(upgrade))
    run = Run(id="roll", action="upgrade", nodes=list("abcd"), batch="50%", pause_s=0.1, max_failures="0", wait_ms=5000)
    job = await _begin(fleet, run)
    assert (job.state, job.note) == ("partly", "the roll-out stopped after 1 of 4 failed")
    assert outcomes(job) == {"a": "ok", "b": "failed", "c": "rejected", "d": "rejected"}
    again = await _begin(fleet, Run(id="roll2", action="upgrade", nodes=list("abcd"), batch="1", wait_ms=5000))
    assert outcomes(again) == {"a": "ok", "b": "failed", "c": "ok", "d": "ok"}


async def test_a_pause_outlives_the_master(pair: Fleet) -> None:
    run = Run(id="slow", action="enter", params={"tx": "x"}, nodes=["shop", "blog"], batch="1", pause_s=1.5)
    await _begin(pair, run)

    async def shop_has_answered() -> bool:
        return outcomes(await pair.client.jobs.get("slow"))["shop"] == "ok"

    await eventually(shop_has_answered)
    await pair.stop_master()
    await pair.start_master()
    assert not (await pair.client.jobs.get("slow")).nodes[1].began
    ended = await pair.client.jobs.wait("slow", 20)
    assert ended.state == "ok"
    assert ended.ended_at is not None
    assert ended.ended_at - ended.created_at >= 1.5


@pytest.mark.usefixtures("quick_callers")
async def test_a_job_is_followed_over_a_restart_to_its_end_with_its_progress(pair: Fleet) -> None:
    @action
    async def count(ctx: Context) -> None:
        """Waits until it is let go."""
        await gate.wait()

    gate = asyncio.Event()
    await pair.start(pair.declare("crm").add(count))
    job = await pair.client.run("count", nodes=["crm"], detach=True)
    report = ProgressReport(id=f"j.{job.id}.crm", progress=Progress(done=3, total=9, note="orders"))
    seen: list[Job] = []
    async with aclosing(pair.client.jobs.follow(job.id)) as changes:
        async for change in changes:
            seen.append(change)
            if len(seen) == 1:
                async with pair.masters_bus() as bus:
                    await bus.publish(bus.subjects.progress("crm"), report)
            elif len(seen) == 2:
                assert change.nodes[0].progress == report.progress
                await pair.stop_master()
                await pair.start_master()
                gate.set()
    assert seen[-1].state == "ok"
    assert len(seen) >= 3
    assert [each.state async for each in pair.client.jobs.follow(job.id)] == ["ok"]


@pytest.mark.usefixtures("quick_upkeep")
async def test_progress_is_kept_over_a_restart(pair: Fleet) -> None:
    job = await pair.client.run("doze", {"seconds": 30}, nodes=["shop"], detach=True)
    progress = Progress(done=1, total=2)
    async with pair.masters_bus() as bus:
        await bus.publish(bus.subjects.progress("shop"), ProgressReport(id=f"j.{job.id}.shop", progress=progress))

    async def is_shown() -> bool:
        return (await pair.client.jobs.get(job.id)).nodes[0].progress == progress

    await eventually(is_shown)
    await eventually(lambda: _kept_progress(pair) != [(None,)])
    await pair.stop_master()
    await pair.start_master()
    assert await is_shown()


async def test_a_full_queue_pushes_back(pair: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology, "MOST_QUEUED_PER_NODE", 3)
    async with pair.masters_bus() as bus:
        await bus.ask(f"$JS.API.STREAM.DELETE.{COMMANDS}", b"", 5.0)
        await topology.Topology(bus).ensure_streams()
        await topology.Topology(bus).ensure_nodes({"shop": 1, "blog": 1})
    await pair.stop_child("shop")
    ids = [f"full-{number}" for number in range(4)]
    for key in ids[:3]:
        await pair.client.run("enter", {"tx": key}, nodes=["shop"], detach=True, id=key)
    with pytest.raises(Overloaded, match="the queue of 'shop' is full"):
        await pair.client.run("enter", {"tx": "y"}, nodes=["shop"], detach=True, id=ids[3])
    assert (await pair.client.run("enter", {"tx": "y"}, nodes=["blog"])).state == "ok"
    with pytest.raises(NotFound):
        await pair.client.jobs.get(ids[3])
    await pair.start_child("shop")
    assert [(await pair.client.jobs.wait(key, 20)).state for key in ids[:3]] == ["ok"] * 3
    assert (await pair.client.run("enter", {"tx": "y"}, nodes=["shop"], id=ids[3])).state == "ok"


async def test_slots_hold_for_the_whole_fleet(pair: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, ended = 0, 0, 0

    @action
    async def heavy(ctx: Context) -> None:
        """Counts how many of it run at once."""
        nonlocal running, most, ended
        running += 1
        most = max(most, running)
        await eventually(lambda: running == 2 or ended == 11)
        pings = await pair.client.nodes.ping("a", "b", "c", timeout_s=30.0)  # what was begun meanwhile has come by now
        assert None not in pings.values()
        running, ended = running - 1, ended + 1

    monkeypatch.setattr(DeclaredLimits, "__call__", lambda _self, name, _nodes: 2 if name == "heavy" else None)
    for name in ("a", "b", "c"):
        await pair.start(pair.declare(name).add(heavy))
    jobs = await asyncio.gather(*(pair.client.run("heavy", nodes="all") for _ in range(4)))
    assert [job.state for job in jobs] == ["ok"] * 4
    assert most == 2


async def test_who_may_cancel(pair: Fleet) -> None:
    job = await pair.client.run("doze", {"seconds": 30}, nodes=["shop"], detach=True)
    for role, scopes in (("reader", Scopes()), ("publisher", Scopes()), ("operator", Scopes(actions=["enter"]))):
        other = await pair.new_client(f"an-{role}", role, scopes=scopes)  # type: ignore[arg-type]
        with pytest.raises(Forbidden):
            await other.jobs.cancel(job.id)
    narrow = await pair.new_client("elsewhere", "operator", scopes=Scopes(nodes=["blog"]))
    with pytest.raises(Forbidden):
        await narrow.jobs.cancel(job.id)
    assert (await pair.client.jobs.get(job.id)).cancelled_by is None
