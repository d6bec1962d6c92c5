"""A master whose database is an old copy: it knows, asks the nodes, and undoes nothing and commits nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fleetfold_shared.errors import FleetfoldError, Unavailable
from fleetfold_shared.messages import MasterInfo, Rollback, StepSpec
from fleetfold_shared.restored_marker import MARKER
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]

STRIKE = Rollback("strike", {"entry": "{{entry}}"})


@pytest.fixture
async def pair(fleet: Fleet) -> Fleet:
    """A shop and a blog."""
    for name in ("shop", "blog"):
        await fleet.start_child(name)
    return fleet


def steps(seconds: float = 60.0) -> list[StepSpec]:
    """Take in the shop, take a while in the blog, give in the blog."""
    return [
        StepSpec(name="take", node="shop", action="enter", params={"tx": "t", "step": "take"}, rollback=STRIKE),
        StepSpec(name="slow", node="blog", action="doze", params={"seconds": seconds}, timeout_s=90.0),
        StepSpec(name="give", node="blog", action="enter", params={"tx": "t", "step": "give"}, rollback=STRIKE),
    ]


def database(fleet: Fleet) -> Path:
    return fleet.place / "master" / "master.db"


def copy(fleet: Fleet) -> None:
    """Copy the database while the master is at work."""
    copy_file(database(fleet), fleet.place / "copy")


def copy_file(file: Path, to: Path) -> None:
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


async def put_back(fleet: Fleet) -> None:
    """Stop the master, and put the copy in the place of its database."""
    await fleet.stop_master()
    for file in database(fleet).parent.glob("master.db*"):
        file.unlink()
    (fleet.place / "copy").rename(database(fleet))


async def taken(fleet: Fleet, key: str, seconds: float = 60.0) -> None:
    """Start a transaction, and wait until its first step is done."""
    await fleet.client.transact(steps(seconds), id=key, detach=True)

    async def is_done() -> bool:
        return [one.state for one in (await fleet.client.transactions.get(key)).steps][:2] == ["done", "running"]

    await eventually(is_done)


async def me(fleet: Fleet) -> MasterInfo:
    [found] = [one for one in await fleet.client.masters.list() if one.state == "answering"]
    return found


async def reconciled(fleet: Fleet) -> None:
    async def is_so() -> bool:
        return (await me(fleet)).restored is None

    await eventually(is_so)


async def test_what_was_rolled_back_since_the_copy_is_not_committed(pair: Fleet) -> None:
    await taken(pair, "t1")
    copy(pair)
    await pair.client.transactions.cancel("t1")
    assert (await pair.client.transactions.wait("t1", timeout_s=90)).state == "rolled_back"
    await put_back(pair)
    await pair.start_master()
    view = await pair.client.transactions.wait("t1", timeout_s=90)
    assert view.state == "rolled_back", view.timeline
    assert any("the nodes have undone a part of it" in entry.why for entry in view.timeline)
    assert pair.effects("shop") == [("take", "do"), ("take", "undo")]
    assert pair.effects("blog") == []
    assert pair.master is not None
    await pair.master._restoration.sweep()
    assert (await me(pair)).restored is None
    assert pair.master._membership is not None
    assert not pair.master._membership.begins_again


async def test_work_that_only_nodes_know_is_listed_for_its_callers(pair: Fleet) -> None:
    copy(pair)
    await pair.client.run("doze", {"seconds": 0}, nodes=["shop"], id="j1")
    await pair.client.transact([steps()[0]], id="t1")
    await put_back(pair)
    await pair.start_master()
    await reconciled(pair)
    found = await pair.client.masters.reconcile()
    assert [(one.node, one.id, one.outcome, one.work) for one in found.lost] == [
        ("shop", "j.j1.shop", "ok", "j1"), ("shop", "t.t1.take.f", "ok", "t1"),
    ]  # fmt: skip
    assert "send it again under this id" in found.lost[0].reason
    view = await pair.client.transact([steps()[0]], id="t1")
    assert (view.state, pair.effects("shop")) == ("committed", [("take", "do")])
    await pair.client.masters.reconcile(accept=True)
    assert (await pair.client.masters.reconcile()).lost == []


async def test_what_ended_since_the_copy_ends_the_same(pair: Fleet) -> None:
    await taken(pair, "t1", seconds=1.0)
    copy(pair)
    assert (await pair.client.transactions.wait("t1", timeout_s=90)).state == "committed"
    await put_back(pair)
    await pair.start_master()
    assert (await pair.client.transactions.wait("t1", timeout_s=90)).state == "committed"
    assert [*pair.effects("shop"), *pair.effects("blog")] == [("take", "do"), ("give", "do")]


async def with_an_old_copy_and_without_shop(pair: Fleet) -> None:
    """A master on a copy of before the transaction `t1` was turned back, while one of its nodes is away."""
    await taken(pair, "t1")
    copy(pair)
    await pair.client.transactions.cancel("t1")
    await pair.client.transactions.wait("t1", timeout_s=90)
    await pair.stop_child("shop")
    await put_back(pair)
    await pair.start_master()


async def test_a_transaction_waits_for_a_node_that_is_away(pair: Fleet) -> None:
    await with_an_old_copy_and_without_shop(pair)
    found = await pair.client.masters.reconcile()
    assert (found.unanswered, [(one.id, one.nodes) for one in found.held]) == (["shop"], [("t1", ["shop"])])
    assert (await me(pair)).restored == found.reason
    with pytest.raises(Unavailable, match=r"'t1' is held, because .* shop was not asked yet"):
        await pair.client.transactions.cancel("t1")
    assert (await pair.client.transact([steps()[2]], id="t2")).state == "committed"
    await pair.start_child("shop")
    assert (await pair.client.transactions.wait("t1", timeout_s=90)).state == "rolled_back"
    await reconciled(pair)


async def test_an_operator_may_go_on_without_a_node_and_its_transactions_are_parked(pair: Fleet) -> None:
    await with_an_old_copy_and_without_shop(pair)
    found = await pair.client.masters.reconcile(accept=True)
    assert (found.parked, found.reason) == (["t1"], "")
    view = await pair.client.transactions.get("t1")
    assert (view.state, "shop could not be asked what has happened since; by tester" in str(view.error)) == (
        "parked", True,
    )  # fmt: skip


async def test_a_master_at_work_finds_out_when_a_node_comes(pair: Fleet) -> None:
    copy(pair)
    await pair.client.transact([steps()[0]], id="t1")
    await pair.stop_child("shop")
    await put_back(pair)
    await pair.start_master()
    assert (await me(pair)).restored is None
    before = (await me(pair)).id
    await pair.start_child("shop")

    async def began_again() -> bool:
        with contextlib.suppress(FleetfoldError):  # it has dropped the request, with all that it had in memory
            return (await me(pair)).id != before
        return False

    await eventually(began_again)
    await reconciled(pair)
    assert [one.work for one in (await pair.client.masters.reconcile()).lost] == ["t1"]


async def test_two_masters_on_an_old_copy_both_hold_back(pair: Fleet) -> None:
    await with_an_old_copy_and_without_shop(pair)
    async with pair.another_master() as other:
        assert other._restoration.old is not None
        await pair.start_child("shop")
        assert (await pair.client.transactions.wait("t1", timeout_s=90)).state == "rolled_back"
        await reconciled(pair)

        async def both() -> bool:
            return other._restoration.old is None

        await eventually(both)


async def test_a_database_that_lost_nothing_is_no_old_copy(pair: Fleet) -> None:
    await taken(pair, "t1", seconds=1.0)
    await asyncio.gather(*(pair.client.run("doze", {"seconds": 0}, nodes=["shop", "blog"]) for _ in range(20)))
    await pair.stop_master()
    await pair.start_master()
    assert (await pair.client.transactions.wait("t1", timeout_s=90)).state == "committed"
    found = await pair.client.masters.reconcile()
    assert (found.reason, found.asked, found.lost, found.held) == ("", {}, [], [])


async def test_a_file_beside_the_database_says_it_from_the_start(pair: Fleet) -> None:
    await pair.stop_child("shop")
    await pair.stop_master()
    marker = database(pair).parent / MARKER
    marker.write_text("{}")
    await pair.start_master()
    assert (await pair.client.masters.reconcile()).unanswered == ["shop"]
    await pair.start_child("shop")
    await reconciled(pair)
    assert (marker.exists(), marker.with_name(f"{MARKER}.done").exists()) == (False, True)


async def test_a_machine_that_is_restored_as_a_whole_goes_on_by_itself(pair: Fleet) -> None:
    await taken(pair, "t1", seconds=1.0)
    copy(pair)  # the master first, as a backup does
    for name in ("shop", "blog"):
        copy_file(pair.place / name / "node.db", pair.place / f"{name}.db")
    assert (await pair.client.transactions.wait("t1", timeout_s=90)).state == "committed"
    for name in ("shop", "blog"):
        await pair.stop_child(name)
        for file in (pair.place / name).glob("node.db*"):
            file.unlink()
        (pair.place / f"{name}.db").rename(pair.place / name / "node.db")
    await put_back(pair)
    (database(pair).parent / MARKER).write_text("{}")
    await pair.start_master()
    for name in ("shop", "blog"):
        await pair.start_child(name)
    assert (await pair.client.transactions.wait("t1", timeout_s=90)).state == "committed"
    await reconciled(pair)
    assert [(await pair.client.nodes.get(name)).state for name in ("shop", "blog")] == ["active", "active"]
    assert (await pair.client.masters.reconcile()).lost == []
