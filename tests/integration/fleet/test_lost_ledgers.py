"""A node whose ledger was lost, or is an old copy: nothing runs there until an operator has looked."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.messages import NodeRecord, Rollback, StepSpec
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]


async def becomes(fleet: Fleet, state: str) -> NodeRecord:
    async def is_so() -> bool:
        return (await fleet.client.nodes.get("shop")).state == state

    await eventually(is_so)
    return await fleet.client.nodes.get("shop")


async def height_is_known(fleet: Fleet, height: int) -> None:
    async def is_so() -> bool:
        ledger = (await fleet.client.nodes.get("shop")).ledger
        return ledger is not None and ledger.height >= height

    await eventually(is_so)


def remove(place: Path) -> None:
    for file in place.glob("node.db*"):
        file.unlink()


async def node_with_a_job(fleet: Fleet, key: str) -> None:
    await fleet.start_child("shop")
    await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"], id=key)
    await height_is_known(fleet, 2)


async def put_back_old_copy(fleet: Fleet) -> None:
    """Run `first`, copy the ledger, run `second`, and start with the copy."""
    await node_with_a_job(fleet, "first")
    await fleet.stop_child("shop")
    place = fleet.place / "shop"
    shutil.copy(place / "node.db", place / "copy")
    await fleet.start_child("shop")
    await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"], id="second")
    await height_is_known(fleet, 4)
    await fleet.stop_child("shop")
    remove(place)
    (place / "copy").rename(place / "node.db")
    await fleet.start_child("shop")


async def test_a_lost_ledger_is_an_error_and_nothing_is_run(fleet: Fleet) -> None:
    await node_with_a_job(fleet, "first")
    await fleet.stop_child("shop")
    remove(fleet.place / "shop")
    await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"], id="waits", detach=True)
    await fleet.start_child("shop", new=True)
    node = await becomes(fleet, "error")
    assert node.failing == ["ledger"]
    assert node.reason.startswith("ledger: it is another one than before (it was lost; height 0, known 2); put the")
    with pytest.raises(InvalidInput, match="'shop' is in the state error: ledger: it is another one"):
        await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])
    running = fleet.children["shop"]._node
    assert running is not None
    with pytest.raises(Unavailable, match="the masters refuse this node's ledger"):
        await running.cancel(["j.first.shop"], "ann")


async def test_a_node_that_begins_anew_is_accepted_when_nothing_of_it_is_open(fleet: Fleet) -> None:
    await node_with_a_job(fleet, "first")
    await fleet.stop_child("shop")
    remove(fleet.place / "shop")
    await fleet.start_child("shop", new=True)
    assert (await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])).state == "ok"
    assert (await fleet.client.nodes.get("shop")).reason == ""


async def test_a_command_that_waits_runs_only_when_the_ledger_is_accepted(fleet: Fleet) -> None:
    await node_with_a_job(fleet, "first")
    await fleet.stop_child("shop")
    remove(fleet.place / "shop")
    assert fleet.master is not None
    await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"], id="waits", detach=True)
    await fleet.start_child("shop", new=True)
    await becomes(fleet, "error")
    assert (await fleet.client.jobs.get("waits")).state == "running"
    found = await fleet.client.nodes.reconcile("shop", accept=True)
    assert found.accepted
    assert (await fleet.client.jobs.wait("waits", timeout_s=30)).state == "ok"
    assert (await becomes(fleet, "active")).reason == ""


async def test_an_older_ledger_is_told_with_both_heights_and_what_it_denies(fleet: Fleet) -> None:
    await put_back_old_copy(fleet)
    node = await becomes(fleet, "error")
    assert node.reason.startswith("ledger: it is older (height 2, known 4)")
    found = await fleet.client.nodes.reconcile("shop")
    assert (found.accepted, found.compared, found.reported.height) == (False, 2, 2)
    assert [(one.id, one.work, one.state) for one in found.denied] == [("j.second.shop", "job second", "ok")]
    assert (await fleet.client.nodes.get("shop")).state == "error"
    await fleet.client.nodes.reconcile("shop", accept=True)
    await becomes(fleet, "active")
    assert (await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])).state == "ok"


async def test_an_undone_effect_that_an_older_ledger_brings_back_is_named(fleet: Fleet) -> None:
    """The copy is of when the step was done; then the transaction was cancelled, and the step undone."""
    await fleet.start_child("shop")
    await fleet.start_child("blog")
    undo = Rollback("strike", {"entry": "{{entry}}"})
    steps = [
        StepSpec(name="book", node="shop", action="enter", params={"tx": "tx"}, stage=0, rollback=undo),
        StepSpec(name="wait", node="blog", action="doze", params={"seconds": 60}, stage=1),
    ]
    await fleet.client.transact(steps, id="tx", detach=True)
    await height_is_known(fleet, 2)
    await fleet.stop_child("shop")
    place = fleet.place / "shop"
    shutil.copy(place / "node.db", place / "copy")
    await fleet.start_child("shop")
    await fleet.client.transactions.cancel("tx")
    assert (await fleet.client.transactions.wait("tx", timeout_s=30)).state == "rolled_back"
    await height_is_known(fleet, 4)
    await fleet.stop_child("shop")
    remove(place)
    (place / "copy").rename(place / "node.db")
    await fleet.start_child("shop")
    await becomes(fleet, "error")
    [denied] = (await fleet.client.nodes.reconcile("shop")).denied
    assert (denied.id, denied.action, denied.work, denied.look) == ("t.tx.book.c", "strike", "transaction tx", True)
    assert denied.remedy.startswith("look whether the effect of t.tx.book.f is back in the node's database")


async def test_a_ledger_that_was_accepted_is_the_known_one_at_every_master(fleet: Fleet) -> None:
    await put_back_old_copy(fleet)
    await becomes(fleet, "error")
    async with fleet.another_master() as other:
        await fleet.client.nodes.reconcile("shop", accept=True)
        registry = other._access._registry

        async def known_there() -> bool:
            return registry.get("shop").state == "active"

        await eventually(known_there)


async def test_what_a_result_has_told_is_known_before_the_next_heartbeat(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fleet.start_child("shop")
    await fleet.stop_child("shop")
    place = fleet.place / "shop"
    shutil.copy(place / "node.db", place / "copy")
    await fleet.start_child("shop")
    node = fleet.children["shop"]._node
    assert node is not None
    monkeypatch.setattr(node._heartbeats, "say", asyncio.Event().wait)
    await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])
    assert str((await fleet.client.nodes.get("shop")).ledger).endswith("height=2)")
    await fleet.vanish_child("shop")
    remove(place)
    (place / "copy").rename(place / "node.db")
    await fleet.start_child("shop")
    assert "it is older (height 0, known 2)" in (await becomes(fleet, "error")).reason


async def test_the_known_height_survives_the_master(fleet: Fleet) -> None:
    await put_back_old_copy(fleet)
    await fleet.stop_child("shop")
    await fleet.stop_master()
    await fleet.start_master()
    await fleet.start_child("shop")
    assert "it is older" in (await becomes(fleet, "error")).reason


async def test_a_node_that_was_removed_and_invited_again_is_new(fleet: Fleet) -> None:
    await node_with_a_job(fleet, "first")
    await fleet.stop_child("shop")
    await fleet.client.nodes.remove("shop")
    shutil.rmtree(fleet.place / "shop")
    await fleet.start_child("shop")
    assert (await becomes(fleet, "active")).reason == ""


async def test_a_known_ledger_has_nothing_to_settle(fleet: Fleet) -> None:
    await node_with_a_job(fleet, "first")
    found = await fleet.client.nodes.reconcile("shop")
    assert (found.reason, found.accepted, found.compared, found.denied) == ("", True, 1, [])
