"""All-or-nothing transactions through the whole fleet: committed, or rolled back in reverse order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleetfold_shared.errors import Conflict, FleetfoldError, InvalidInput, NotFound
from fleetfold_shared.messages import Rollback, StepSpec, Transact
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]

STRIKE = Rollback("strike", {"entry": "{{entry}}"})


@pytest.fixture
async def trio(fleet: Fleet) -> Fleet:
    """A shop, a blog and a crm."""
    for name in ("shop", "blog", "crm"):
        await fleet.start_child(name)
    return fleet


def enter(name: str, node: str, mood: str = "calm", **more: Any) -> StepSpec:
    params = {"tx": "t", "step": name, "mood": mood, **more.pop("params", {})}
    return StepSpec(name=name, node=node, action="enter", params=params, rollback=STRIKE, **more)


def order(fleet: Fleet, *nodes: str) -> list[tuple[str, str]]:
    """The effects of all the nodes in the order of time."""
    return [(step, what) for node in nodes for step, what in fleet.effects(node)]


async def test_a_transaction_commits_and_leaves_each_effect_once(trio: Fleet) -> None:
    view = await trio.client.transact([enter("a", "shop"), enter("b", "blog"), enter("c", "crm")], name="an order")
    assert (view.state, view.name, [step.state for step in view.steps]) == ("committed", "an order", ["done"] * 3)
    assert order(trio, "shop", "blog", "crm") == [("a", "do"), ("b", "do"), ("c", "do")]
    assert await trio.client.transactions.get(view.id) == view
    assert [one.id for one in await trio.client.transactions.list()] == [view.id]


async def test_a_step_may_use_the_result_of_an_earlier_one(trio: Fleet) -> None:
    steps = [enter("a", "shop"), enter("b", "blog", params={"tx": "{{steps.a.entry}}"})]
    view = await trio.client.transact(steps)
    assert view.state == "committed", view
    assert view.steps[0].result["entry"]


async def test_a_failure_rolls_back_in_reverse_order(trio: Fleet) -> None:
    steps = [enter("a", "shop"), enter("b", "blog"), enter("c", "shop"), enter("d", "crm", "refuse")]
    view = await trio.client.transact(steps)
    assert view.state == "rolled_back"
    assert "not today" in (view.error or "")
    assert [step.state for step in view.steps][:3] == ["compensated"] * 3
    assert trio.effects("shop") == [("a", "do"), ("c", "do"), ("c", "undo"), ("a", "undo")]
    assert trio.effects("blog") == [("b", "do"), ("b", "undo")]
    assert trio.effects("crm") == []
    assert [entry.step for entry in view.timeline if entry.what == "compensated"] == ["c", "b", "a"]


async def test_two_steps_of_a_stage_on_the_same_node_run_and_are_undone(trio: Fleet) -> None:
    steps = [
        enter("a", "shop", stage=0), enter("b", "shop", stage=0), enter("c", "blog", stage=0),
        enter("d", "crm", "refuse", stage=1),
    ]  # fmt: skip
    view = await trio.client.transact(steps)
    assert view.state == "rolled_back"
    assert sorted(trio.effects("shop")) == [("a", "do"), ("a", "undo"), ("b", "do"), ("b", "undo")]
    assert trio.effects("blog") == [("c", "do"), ("c", "undo")]


async def test_the_steps_of_a_stage_run_in_parallel(trio: Fleet) -> None:
    meeting = [
        StepSpec(name=name, node=node, action="doze", params={"seconds": 0.4}, stage=0)
        for name, node in (("a", "shop"), ("b", "blog"), ("c", "crm"))
    ]
    view = await trio.client.transact(meeting)
    assert view.state == "committed"
    told = [entry.what for entry in view.timeline if entry.step is not None]
    assert told.index("done") >= 3, told  # all three were sent before one was done


async def test_a_step_that_is_timed_out_is_undone_with_the_others(trio: Fleet) -> None:
    steps = [enter("a", "shop"), enter("b", "blog", "overrun", timeout_s=0.3)]
    view = await trio.client.transact(steps, timeout_s=60)
    assert view.state == "rolled_back"
    assert trio.effects("shop") == [("a", "do"), ("a", "undo")]
    assert trio.effects("blog") == []


async def test_the_same_id_is_the_same_transaction(trio: Fleet) -> None:
    steps = [enter("a", "shop")]
    views = await asyncio.gather(*(trio.client.transact(steps, id="order-7") for _ in range(5)))
    assert views == [views[0]] * 5
    assert trio.effects("shop") == [("a", "do")]
    with pytest.raises(Conflict) as refused:
        await trio.client.transact([enter("b", "shop")], id="order-7")
    assert refused.value.field == "id"


async def test_a_caller_that_does_not_wait_looks_it_up(trio: Fleet) -> None:
    steps = [enter("a", "shop", params={"seconds": 0.2})]
    view = await trio.client.transactions.start(Transact(id="begun", steps=steps))
    assert (view.state, view.ended_at) == ("running", None)
    assert (await trio.client.transactions.wait(view.id, 20)).state == "committed"


async def test_a_transaction_goes_on_with_the_next_master(trio: Fleet) -> None:
    steps = [enter("a", "shop", params={"seconds": 0.3}), enter("b", "blog"), enter("c", "crm", "refuse")]
    view = await trio.client.transact(steps, detach=True)
    await trio.stop_master()
    await trio.start_master()
    assert (await trio.client.transactions.wait(view.id, 30)).state == "rolled_back"
    assert trio.effects("shop") == [("a", "do"), ("a", "undo")]
    assert trio.effects("blog") == [("b", "do"), ("b", "undo")]


async def test_a_transaction_waits_for_a_node_that_returns(trio: Fleet) -> None:
    await trio.stop_child("blog")
    view = await trio.client.transact([enter("a", "shop"), enter("b", "blog", timeout_s=60)], detach=True)
    await trio.start_child("blog")
    assert (await trio.client.transactions.wait(view.id, 30)).state == "committed"
    assert trio.effects("blog") == [("b", "do")]


@pytest.mark.parametrize(
    ("field", "error", "wrong"),
    [
        ("steps.b.node", NotFound, {"node": "nobody"}),
        ("steps.b.action", NotFound, {"action": "nothing"}),
        ("steps.b.params.tx", InvalidInput, {"params": {}}),
        ("steps.a.name", InvalidInput, {"name": "a"}),
        ("steps[1].stage", InvalidInput, {"stage": -1}),
    ],
)
async def test_a_transaction_is_checked_before_its_first_step(
    trio: Fleet, field: str, error: type[FleetfoldError], wrong: dict[str, Any]
) -> None:
    good = {"name": "b", "node": "blog", "action": "enter", "params": {"tx": "t"}, "rollback": STRIKE}
    with pytest.raises(error) as refused:
        await trio.client.transact([enter("a", "shop"), StepSpec(**(good | wrong))])
    assert refused.value.field == field
    assert trio.effects("shop") == []
    assert await trio.client.transactions.list() == []
