"""Choosing nodes through the whole fleet: the dry run, the destructive action, the same run again."""

from __future__ import annotations

from dataclasses import replace as replaced
from typing import Any

import pytest
from msgspec.structs import replace

from fleetfold import Context, action
from fleetfold.run_request import Targets
from fleetfold_shared.errors import InvalidInput, NotFound
from fleetfold_shared.messages import Job, NodeUpdate, Run, ScheduleSpec
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]

RAN: list[str] = []


@action
async def wipe(ctx: Context) -> str:
    """Everything."""
    RAN.append(ctx.node)
    return ctx.node


WIPE = replaced(wipe, info=replace(wipe.info, destructive=True))


@pytest.fixture
async def shops(fleet: Fleet) -> Fleet:
    """Three shops and a blog; all but the last can be wiped."""
    RAN.clear()
    for name, region in (("shop-1", "eu"), ("shop-2", "us"), ("shop-3", "eu")):
        await fleet.start(fleet.declare(name, labels={"role": "shop", "region": region}).add(WIPE))
    await fleet.start_child("blog", labels={"role": "blog"})
    return fleet


def names(job: Job) -> list[str]:
    return [node.node for node in job.nodes]


async def test_an_expression_runs_on_those_that_it_chooses(shops: Fleet) -> None:
    job = await shops.client.run("enter", {"tx": "a"}, nodes=Targets(where="role=shop and region!=eu or name=blog"))
    assert (job.state, names(job)) == ("ok", ["blog", "shop-2"])
    assert [node.name for node in await shops.client.nodes.list(where="has(action:wipe) and region=eu")] == [
        "shop-1",
        "shop-3",
    ]


async def test_all_is_said_as_it_is_for_a_search(shops: Fleet) -> None:
    everywhere = ["blog", "shop-1", "shop-2", "shop-3"]
    assert names(await shops.client.run("enter", {"tx": "a"}, nodes="all")) == everywhere
    assert names(await shops.client.jobs.check("enter", {"tx": "b"}, nodes=Targets(nodes="all", limit=4, seed=1))) != []
    one = Run(id="all-1", action="enter", params={"tx": "c"}, nodes="all")
    outcomes = [outcome async for outcome in shops.client.submit([one])]
    assert sorted(node.node for node in outcomes[0].nodes) == everywhere
    spec = ScheduleSpec(name="all", every_s=3600, run={"action": "enter", "params": {"tx": "d"}, "nodes": "all"})
    await shops.client.schedules.put(spec)
    fired = await shops.client.schedules.fire("all")
    assert fired.last is not None
    job = await shops.client.jobs.wait(fired.last.id, 30)
    assert names(job) == everywhere
    with pytest.raises(InvalidInput, match="'auto' is for searches"):
        await shops.client.run("enter", {"tx": "e"}, nodes="auto")


async def test_a_dry_run_leaves_no_job_and_the_run_takes_the_same_nodes(shops: Fleet) -> None:
    choice = Targets(where="role=shop", limit=2, seed=3)
    checked = await shops.client.jobs.check("wipe", nodes=choice)
    assert (checked.state, len(checked.nodes), RAN) == ("checked", 2, [])
    assert await shops.client.jobs.list() == []
    with pytest.raises(NotFound):
        await shops.client.jobs.get(checked.id)
    ran = await shops.client.run("wipe", nodes=replace(choice, confirmed=True))
    assert names(ran) == names(checked)
    assert sorted(RAN) == sorted(names(ran))


async def test_nothing_destructive_runs_on_several_nodes_unconfirmed(shops: Fleet) -> None:
    for choice in ("all", Targets(where="region=eu")):
        with pytest.raises(InvalidInput, match="would run on") as refused:
            await shops.client.run("wipe", nodes=choice)
        assert refused.value.field == "confirmed"
    assert (await shops.client.jobs.list(), RAN) == ([], [])
    assert names(await shops.client.run("wipe", nodes=Targets(any=True))) == RAN


async def test_any_spreads_over_the_nodes(shops: Fleet) -> None:
    jobs = [await shops.client.run("enter", {"tx": "a"}, nodes=Targets(where="role=shop", any=True)) for _ in range(6)]
    assert {len(job.nodes) for job in jobs} == {1}
    assert {name for job in jobs for name in names(job)} == {"shop-1", "shop-2", "shop-3"}


async def test_the_same_run_again_is_the_same_job_whatever_has_become_of_the_fleet(shops: Fleet) -> None:
    choice: dict[str, Any] = {"nodes": Targets(where="region=us"), "id": "again"}
    first = await shops.client.run("enter", {"tx": "a"}, **choice)
    await shops.start_child("shop-4", labels={"region": "us"})
    assert await shops.client.run("enter", {"tx": "a"}, **choice) == first
    for name in ("shop-2", "shop-4"):
        await shops.client.nodes.update(NodeUpdate(node=name, state="maintenance"))
    assert await shops.client.run("enter", {"tx": "a"}, **choice) == first
    with pytest.raises(NotFound, match="none fits"):
        await shops.client.run("enter", {"tx": "b"}, **choice)
    with pytest.raises(NotFound, match="none fits"):
        await shops.client.run("enter", {"tx": "a"}, nodes=Targets(where="region=us"))
    assert len(shops.effects("shop-2")) == 1
