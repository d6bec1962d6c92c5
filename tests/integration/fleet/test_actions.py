"""Actions through the whole fleet: on one node, on all, one after another; every outcome; once per id."""

from __future__ import annotations

import asyncio

import pytest

from fleetfold import Context, action
from fleetfold.run_request import Rollout, Targets
from fleetfold_shared.errors import Conflict, DeadlineExceeded, FleetfoldError, InvalidInput, NotFound
from fleetfold_shared.messages import Job, NodeUpdate, Run
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]


@pytest.fixture
async def pair(fleet: Fleet) -> Fleet:
    """A shop and a blog."""
    await fleet.start_child("shop")
    await fleet.start_child("blog")
    return fleet


def outcomes(job: Job) -> dict[str, str | None]:
    return {node.node: node.outcome for node in job.nodes}


async def test_an_action_runs_on_one_node_on_several_or_on_all(pair: Fleet) -> None:
    for tx, target in (("one", {"nodes": ["shop"]}), ("two", {"nodes": ["shop", "blog"]}), ("all", {"nodes": "all"})):
        job = await pair.client.run("enter", {"tx": tx, "step": tx}, **target)  # type: ignore[arg-type]
        assert job.state == "ok", job
        assert all(node.result["entry"] for node in job.nodes)
    assert pair.effects("shop") == [("one", "do"), ("two", "do"), ("all", "do")]
    assert pair.effects("blog") == [("two", "do"), ("all", "do")]


async def test_one_after_another_means_that_none_overlap(fleet: Fleet) -> None:
    spans: list[tuple[str, str]] = []

    @action
    async def measure(ctx: Context) -> None:
        """Note begin and end."""
        spans.append((ctx.node, "begin"))
        pings = await fleet.client.nodes.ping("a", "b", "c", timeout_s=30.0)  # what was begun meanwhile has come by now
        assert None not in pings.values()
        spans.append((ctx.node, "end"))

    for name in ("a", "b", "c"):
        await fleet.start(fleet.declare(name).add(measure))
    job = await fleet.client.run("measure", nodes=["c", "a", "b"], rollout=Rollout(sequential=True))
    assert job.state == "ok"
    assert spans == [(name, what) for name in ("c", "a", "b") for what in ("begin", "end")]


async def test_a_caller_that_does_not_wait_gets_the_job_by_its_id(pair: Fleet) -> None:
    job = await pair.client.jobs.start(Run(id="begun", action="doze", params={"seconds": 0.2}, nodes=["shop"]))
    assert (job.state, outcomes(job)) == ("running", {"shop": None})
    with pytest.raises(DeadlineExceeded, match=job.id):
        await pair.client.jobs.wait(job.id, 0.01)
    ended = await pair.client.jobs.wait(job.id, 20)
    assert (ended.state, outcomes(ended)) == ("ok", {"shop": "ok"})
    assert await pair.client.jobs.get(job.id) == ended
    assert [one.id for one in await pair.client.jobs.list()] == [job.id]


async def test_the_same_id_is_the_same_job(pair: Fleet) -> None:
    calls = [pair.client.run("enter", {"tx": "x"}, nodes=["shop"], id="order-7") for _ in range(5)]
    first, *others = await asyncio.gather(*calls)
    assert first.state == "ok"
    assert others == [first] * 4
    assert await pair.client.run("enter", {"tx": "x"}, nodes=["shop"], id="order-7") == first
    assert len(pair.effects("shop")) == 1
    with pytest.raises(Conflict) as refused:
        await pair.client.run("enter", {"tx": "y"}, nodes=["shop"], id="order-7")
    assert refused.value.field == "id"
    other = await pair.new_client("other")
    with pytest.raises(Conflict):
        await other.run("enter", {"tx": "x"}, nodes=["shop"], id="order-7")


async def test_a_handler_that_raises_answers_at_once(pair: Fleet) -> None:
    async with asyncio.timeout(10):
        job = await pair.client.run("stumble", nodes=["shop"], timeout_s=60)
    assert (job.state, outcomes(job)) == ("failed", {"shop": "failed"})
    assert "ZeroDivisionError" in (job.nodes[0].error or "")


async def test_an_application_that_says_no_is_failed_with_its_reason(pair: Fleet) -> None:
    job = await pair.client.run("enter", {"tx": "x", "mood": "refuse"}, nodes=["shop"])
    assert (job.state, job.nodes[0].error) == ("failed", "not today")
    assert pair.effects("shop") == []


async def test_a_job_on_several_nodes_is_partly_done_when_some_fail(fleet: Fleet) -> None:
    @action
    async def differ(ctx: Context) -> str:
        """Fail on the blog."""
        if ctx.node == "blog":
            raise ValueError("not here")
        return ctx.node

    for name in ("shop", "blog"):
        await fleet.start(fleet.declare(name).add(differ))
    job = await fleet.client.run("differ", nodes="all")
    assert (job.state, outcomes(job)) == ("partly", {"blog": "failed", "shop": "ok"})


async def test_an_action_that_takes_longer_than_it_may_is_timed_out(pair: Fleet) -> None:
    job = await pair.client.run("doze", {"seconds": 30}, nodes=["shop"], timeout_s=0.3)
    assert (job.state, outcomes(job)) == ("failed", {"shop": "timed_out"})


async def test_a_command_waits_for_a_node_that_is_away(pair: Fleet) -> None:
    await pair.stop_child("shop")
    job = await pair.client.run("enter", {"tx": "x", "step": "late"}, nodes=["shop"], timeout_s=60, detach=True)
    await pair.start_child("shop")
    ended = await pair.client.jobs.wait(job.id, 30)
    assert outcomes(ended) == {"shop": "ok"}
    assert pair.effects("shop") == [("late", "do")]


async def test_a_node_that_stays_away_is_unreachable(pair: Fleet) -> None:
    await pair.stop_child("shop")
    job = await pair.client.run("doze", nodes=["shop"], timeout_s=0.3)
    assert (job.state, outcomes(job)) == ("failed", {"shop": "unreachable"})


async def test_a_node_may_reject_what_its_master_let_pass(pair: Fleet) -> None:
    """The master's schema is the node's word at its last heartbeat; the node has the last."""
    shop = pair.children["shop"]
    shop._actions._by_name.pop("stumble")
    job = await pair.client.run("stumble", nodes=["shop"])
    assert (job.state, outcomes(job)) == ("failed", {"shop": "rejected"})


@pytest.mark.parametrize(
    ("field", "error", "action_name", "params", "target"),
    [
        ("node", NotFound, "doze", {}, {"nodes": ["nobody"]}),
        ("action", NotFound, "nothing", {}, {"nodes": ["shop"]}),
        ("action", NotFound, "nothing", {}, {"nodes": "all"}),
        ("nodes", InvalidInput, "doze", {}, {}),
        ("nodes", InvalidInput, "doze", {}, {"nodes": Targets(nodes=["shop"], all=True)}),
        ("params.seconds", InvalidInput, "doze", {"seconds": "long"}, {"nodes": ["shop"]}),
        ("params.tx", InvalidInput, "enter", {}, {"nodes": ["shop"]}),
        ("params.colour", InvalidInput, "doze", {"colour": "red"}, {"nodes": ["shop"]}),
        ("id", InvalidInput, "doze", {}, {"nodes": ["shop"], "id": "a.b"}),
        ("timeout_s", InvalidInput, "doze", {}, {"nodes": ["shop"], "timeout_s": 0}),
    ],
)
async def test_what_cannot_run_is_refused_by_its_field_before_anything_is_sent(
    pair: Fleet, field: str, error: type[FleetfoldError], action_name: str, params: dict[str, object],
    target: dict[str, object],
) -> None:  # fmt: skip
    with pytest.raises(error) as refused:
        await pair.client.run(action_name, params, **target)  # type: ignore[call-overload]
    assert refused.value.field == field
    assert await pair.client.jobs.list() == []


async def test_a_node_in_maintenance_is_not_run_on(pair: Fleet) -> None:
    await pair.client.nodes.update(NodeUpdate(node="shop", state="maintenance"))
    assert outcomes(await pair.client.run("doze", {"seconds": 0}, nodes="all")) == {"blog": "ok"}
    with pytest.raises(InvalidInput, match="maintenance") as refused:
        await pair.client.run("doze", nodes=["shop"])
    assert refused.value.field == "nodes"


async def test_several_clients_run_search_and_look_up_at_the_same_time(pair: Fleet) -> None:
    clients = [await pair.new_client(f"client-{number}") for number in range(4)]

    async def work(number: int) -> None:
        client = clients[number]
        for turn in range(5):
            step = f"{number}-{turn}"
            job = await client.run("enter", {"tx": "x", "step": step}, nodes=[("shop", "blog")[turn % 2]])
            assert job.state == "ok"
            await client.search("tent")
            assert (await client.jobs.get(job.id)).caller == f"client-{number}"

    await asyncio.gather(*(work(number) for number in range(4)))
    done = sorted(pair.effects("shop") + pair.effects("blog"))
    assert done == sorted((f"{number}-{turn}", "do") for number in range(4) for turn in range(5))
