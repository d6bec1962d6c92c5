"""Schedules through the whole fleet: fired by a master in the name of who has put them, also after its restart."""

from __future__ import annotations

import pytest

from fleetfold_shared.errors import Conflict, Forbidden, NotFound
from fleetfold_shared.messages import ScheduleSpec, Scopes
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]

TICK = ScheduleSpec(name="tick", every_s=1, run={"action": "enter", "params": {"tx": "s"}, "nodes": ["shop"]})


@pytest.fixture
def quick_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_master.runtime.periodic_tasks.SCHEDULES_S", 0.05)


@pytest.fixture
async def shop(fleet: Fleet, quick_schedules: None) -> Fleet:
    await fleet.stop_master()
    await fleet.start_master()
    await fleet.start_child("shop")
    return fleet


async def _done(fleet: Fleet, name: str, count: int) -> bool:
    firings = (await fleet.client.schedules.get(name)).firings
    return [one.outcome for one in firings].count("ok") >= count


async def test_it_fires_again_and_again_also_after_the_masters_restart(shop: Fleet) -> None:
    view = await shop.client.schedules.put(TICK)
    assert (view.state, view.caller) == ("waiting", "tester")
    await eventually(lambda: _done(shop, "tick", 2))
    await shop.stop_master()
    await shop.start_master()
    done = [one.outcome for one in (await shop.client.schedules.get("tick")).firings].count("ok")
    await eventually(lambda: _done(shop, "tick", done + 1))
    await shop.client.schedules.pause("tick")
    firings = (await shop.client.schedules.get("tick", firings=1000)).firings
    started = [one.id for one in firings if one.state in {"started", "done"}]
    for job in started:
        await shop.client.jobs.wait(job, 20)
    assert len(shop.effects("shop")) == len(started)


async def test_a_transaction_is_fired_too(shop: Fleet) -> None:
    steps = [{"name": "a", "node": "shop", "action": "enter", "params": {"tx": "t", "step": "a"}}]
    spec = ScheduleSpec(name="books", cron="0 3 * * *", transact={"name": "books", "steps": steps})
    await shop.client.schedules.put(spec)
    view = await shop.client.schedules.fire("books", id="f1")
    assert view.last is not None
    assert view.last.id == "s-books-1-xf1"
    ended = await shop.client.transactions.wait(view.last.id, 20)
    assert (ended.state, ended.caller) == ("committed", "tester")


async def test_a_transaction_that_no_node_would_take_is_refused_by_its_step(shop: Fleet) -> None:
    steps = [{"name": "a", "node": "moon", "action": "enter"}]
    spec = ScheduleSpec(name="books", cron="0 3 * * *", transact={"steps": steps})
    with pytest.raises(NotFound, match=r"^transact\.steps\.a\.node: .*`--unchecked`") as refused:
        await shop.client.schedules.put(spec)
    assert refused.value.field == "transact.steps.a.node"
    assert await shop.client.schedules.list() == []
    assert await shop.client.transactions.list() == []


async def test_one_that_was_put_before_its_node_fires_when_that_has_come(shop: Fleet) -> None:
    run = {"action": "enter", "params": {"tx": "s"}, "nodes": ["blog"]}
    await shop.client.schedules.put(ScheduleSpec(name="early", cron="0 3 * * *", run=run), unchecked=True)
    await shop.start_child("blog")
    view = await shop.client.schedules.fire("early")
    assert view.last is not None
    assert (await shop.client.jobs.wait(view.last.id, 20)).state == "ok"


async def test_when_its_callers_key_is_revoked_it_says_so_and_does_nothing(shop: Fleet) -> None:
    till = await shop.new_client("till", "publisher", scopes=Scopes(nodes=["shop"]))
    await till.schedules.put(ScheduleSpec(name="nightly", cron="0 3 * * *", run=TICK.run))
    assert shop.master is not None
    await shop.client.keys.revoke("till")
    view = await shop.client.schedules.fire("nightly")
    assert view.last is not None
    assert (view.last.state, view.last.by) == ("refused", "tester")
    assert "'till' is no identity" in view.last.why
    assert shop.effects("shop") == []
    entries = await shop.client.audit.list(who="till", what="schedules.fire")
    assert [(entry.outcome, entry.reason) for entry in entries] == [("refused", "forbidden")]


async def test_who_may_not_do_it_may_not_schedule_it(shop: Fleet) -> None:
    till = await shop.new_client("till", "publisher", scopes=Scopes(nodes=["blog"]))
    with pytest.raises(Forbidden) as refused:
        await till.schedules.put(TICK)
    assert refused.value.field == "run.nodes"
    reader = await shop.new_client("reader", "reader")
    with pytest.raises(Forbidden):
        await reader.schedules.put(TICK)


async def test_a_publisher_sees_and_changes_its_own_only(shop: Fleet) -> None:
    quiet = ScheduleSpec(name="quiet", cron="0 3 * * *", run=TICK.run)
    await shop.client.schedules.put(quiet)
    till = await shop.new_client("till", "publisher")
    assert await till.schedules.list() == []
    for ask in (
        till.schedules.get("quiet"),
        till.schedules.remove("quiet"),
        till.schedules.put(quiet),
        till.schedules.pause("quiet"),
    ):
        with pytest.raises(Forbidden) as refused:
            await ask
        assert refused.value.field == "name"
    assert [view.spec.name for view in await shop.client.schedules.list()] == ["quiet"]


async def test_one_that_goes_on_is_not_fired_beside(shop: Fleet) -> None:
    run = {"action": "doze", "params": {"seconds": 0.5}, "nodes": ["shop"]}
    await shop.client.schedules.put(ScheduleSpec(name="nap", cron="0 3 * * *", run=run))
    view = await shop.client.schedules.fire("nap")
    with pytest.raises(Conflict, match="has not ended"):
        await shop.client.schedules.fire("nap")
    assert view.last is not None
    await shop.client.jobs.wait(view.last.id, 20)
    await eventually(lambda: _done(shop, "nap", 1))
    assert (await shop.client.schedules.fire("nap")).last is not None


async def test_a_node_that_is_not_there_is_refused_with_its_name(shop: Fleet) -> None:
    run = {"action": "enter", "nodes": ["moon"]}
    await shop.client.schedules.put(ScheduleSpec(name="far", cron="0 3 * * *", run=run), unchecked=True)
    last = (await shop.client.schedules.fire("far")).last
    assert last is not None
    assert last.state == "refused"
    assert "moon" in last.why
