"""Results that cannot travel, through the whole fleet: what a job and a transaction say of them."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold import Context, action
from fleetfold_shared.errors import InvalidInput, TooLarge
from fleetfold_shared.messages import Definition, Filter, Rollback, StepSpec
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]

DONE: list[str] = []


@action(kind="once")
async def place(ctx: Context, size: int = 300 * 1024) -> dict[str, Any]:
    DONE.append("placed")
    return {"order_id": "o-1", "receipt": "x" * size}


@action
async def cancel(ctx: Context, order_id: str) -> None:
    DONE.append(f"cancelled {order_id}")


@action
async def typed(ctx: Context) -> dict[str, dict[str, int]]:
    return {}


CANCEL = Rollback("cancel", {"order_id": "{{order_id}}"})


@pytest.fixture
async def shop(fleet: Fleet) -> Fleet:
    DONE.clear()
    await fleet.start(fleet.declare("shop").add(place, cancel, typed))
    return fleet


async def test_a_job_says_that_the_effect_stands(shop: Fleet) -> None:
    job = await shop.client.run("place", nodes=["shop"])
    assert (job.state, job.nodes[0].outcome, job.nodes[0].result, DONE) == ("failed", "no_result", None, ["placed"])
    assert "its effect stands; its result could not be carried: it is 307231 bytes" in (job.nodes[0].error or "")


async def test_a_transaction_undoes_the_step_once(shop: Fleet) -> None:
    view = await shop.client.transact([StepSpec(name="order", node="shop", action="place", retries=2, rollback=CANCEL)])
    assert (view.state, view.steps[0].state, DONE) == ("rolled_back", "compensated", ["placed", "cancelled o-1"])
    assert [entry.what for entry in view.timeline if entry.step] == [
        "sent",
        "no_result",
        "compensation sent",
        "compensated",
    ]


async def test_a_result_that_this_broker_does_not_take_has_stood_too(
    shop: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker may have a smaller `max_payload` than ours."""
    node = shop.children["shop"]._node
    assert node is not None
    publish = node._confirmed.publish

    async def narrow(subject: str, message: Any, timeout_s: float = 10.0) -> None:
        if any(result.result for result in message.results):
            raise TooLarge("the message is over the broker's limit of 10 bytes")
        await publish(subject, message, timeout_s)

    monkeypatch.setattr(node._confirmed, "publish", narrow)
    view = await shop.client.transact(
        [StepSpec(name="order", node="shop", action="place", params={"size": 10}, rollback=CANCEL)]
    )
    assert (view.state, DONE) == ("rolled_back", ["placed", "cancelled o-1"])


@pytest.mark.parametrize(
    "step",
    [
        StepSpec(name="tell", node="shop", action="cancel", params={"order_id": "{{steps.look.a.b.c}}"}),
        StepSpec(
            name="tell", node="shop", action="cancel", params={"order_id": "o"},
            when=Filter("steps.look.a.b.c", "gt", 1),
        ),
        StepSpec(name="tell", node="shop", action="typed", rollback=Rollback("cancel", {"order_id": "{{a.b.c}}"})),
    ],
)  # fmt: skip
async def test_a_reference_that_leads_nowhere_is_refused_before_the_first_step(shop: Fleet, step: StepSpec) -> None:
    steps = [StepSpec(name="look", node="shop", action="typed"), step]
    for refused in (
        lambda: shop.client.transact(steps),
        lambda: shop.client.transactions.check(steps),
        lambda: shop.client.definitions.put(Definition(name="order", steps=steps)),
    ):
        with pytest.raises(InvalidInput, match=r"typed returns no 'c'; a\.b is a whole number"):
            await refused()
    assert await shop.client.transactions.list() == []
