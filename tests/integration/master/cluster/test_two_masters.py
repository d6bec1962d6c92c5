"""Two masters in one process, on one database and one broker: callers and nodes cannot tell which of them they meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fleetfold.client import Client
from fleetfold.resources.transactions import TransactionHandle
from fleetfold_master.cluster import Membership
from fleetfold_master.cluster.membership import HEARTBEAT_S
from fleetfold_master.master import Master
from fleetfold_master.nodes import Registry
from fleetfold_shared.messages import NodeUpdate, StepSpec, TransactionView
from support.inprocess import Fleet, fleet, quick_callers
from support.wait import eventually

__all__ = ["fleet", "quick_callers"]

pytestmark = [pytest.mark.dear, pytest.mark.usefixtures("quick_callers")]

TAKEOVER_S = 3.0


@pytest.fixture
async def other(fleet: Fleet) -> AsyncIterator[Master]:
    """The second one, which the first knows of."""
    async with fleet.another_master() as other:
        await eventually(lambda: bool(others(other)) and bool(others(first(fleet))))
        yield other


def first(fleet: Fleet) -> Master:
    assert fleet.master is not None
    return fleet.master


def membership_of(master: Master) -> Membership:
    assert master._membership is not None
    return master._membership


def others(master: Master) -> frozenset[str]:
    return membership_of(master).others


def counted(membership: Membership) -> list[int]:
    """Its own heartbeats from now on: seconds by its pulse, which slow down with the machine."""
    heartbeat, heartbeats = membership.heartbeat, list[int]()

    async def noted() -> None:
        heartbeats.append(1)
        await heartbeat()

    membership.heartbeat = noted  # type: ignore[method-assign]
    return heartbeats


def freeze(master: Master) -> asyncio.Event:
    """It does not send one until the event is set, as if it slept; what it is asked it still does."""
    awake, membership = asyncio.Event(), membership_of(master)
    heartbeat = membership.heartbeat

    async def late() -> None:
        await awake.wait()
        await heartbeat()

    membership.heartbeat = late  # type: ignore[method-assign]
    return awake


def registry_of(master: Master) -> Registry:
    return master._access._registry


async def doze(client: Client, tx: str, seconds: float = 1.0, steps: int = 2) -> TransactionHandle:
    """Begin a transaction that takes a while."""
    wanted = [
        StepSpec(name=f"s{n}", node="shop", action="doze", stage=n, params={"seconds": seconds}) for n in range(steps)
    ]
    return await client.transact(wanted, id=tx, detach=True)


async def ended(client: Client, tx: str) -> TransactionView:
    return await client.transactions.wait(tx, 20)


async def test_work_is_done_once_whoever_is_asked_and_whoever_gets_the_results(fleet: Fleet, other: Master) -> None:
    await fleet.start_child("shop")
    jobs = await asyncio.gather(
        *(fleet.client.run("enter", {"tx": f"t{n}"}, nodes=["shop"], id=f"j{n}") for n in range(40))
    )
    assert {job.state for job in jobs} == {"ok"}
    assert len(fleet.effects("shop")) == 40


async def test_the_same_id_at_both_masters_is_one_job(fleet: Fleet, other: Master) -> None:
    await fleet.start_child("shop")
    asked = [fleet.client.run("enter", {"tx": "t"}, nodes=["shop"], id="one") for _ in range(12)]
    jobs = await asyncio.gather(*asked)
    assert len({job.created_at for job in jobs}) == 1
    assert len(fleet.effects("shop")) == 1


async def test_another_master_drives_on_what_a_silent_one_drove_within_three_seconds(
    fleet: Fleet, other: Master
) -> None:
    await fleet.start_child("shop")
    ids = [f"t{n}" for n in range(6)]
    await asyncio.gather(*(doze(fleet.client, tx, steps=3) for tx in ids))
    silent = membership_of(first(fleet)).id
    heartbeats = counted(membership_of(other))
    awake = freeze(first(fleet))
    await eventually(lambda: silent not in others(other) and all(map(other._cluster._transactions.owns, ids)))
    assert len(heartbeats) <= TAKEOVER_S / HEARTBEAT_S
    views = await asyncio.gather(*(ended(fleet.client, tx) for tx in ids))
    assert {view.state for view in views} == {"committed"}
    awake.set()
    await eventually(lambda: membership_of(first(fleet)).id != silent and others(first(fleet)) != frozenset())
    jobs = await asyncio.gather(*(fleet.client.run("doze", {"seconds": 0}, nodes=["shop"]) for _ in range(10)))
    assert {job.state for job in jobs} == {"ok"}


async def test_a_master_that_stops_hands_over_at_once(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    async with fleet.another_master() as other:
        await eventually(lambda: bool(others(other)))
        await asyncio.gather(*(doze(fleet.client, f"t{n}") for n in range(4)))
        await asyncio.gather(
            *(fleet.client.run("doze", {"seconds": 2}, nodes=["shop"], id=f"j{n}", detach=True) for n in range(4))
        )
    views = await asyncio.gather(*(ended(fleet.client, f"t{n}") for n in range(4)))
    jobs = await asyncio.gather(*(fleet.client.jobs.wait(f"j{n}", 20) for n in range(4)))
    assert {view.state for view in views} == {"committed"}
    assert {job.state for job in jobs} == {"ok"}


async def test_a_transaction_is_cancelled_whoever_hears_of_it(fleet: Fleet, other: Master) -> None:
    await fleet.start_child("shop")
    ids = [f"t{n}" for n in range(6)]
    await asyncio.gather(*(doze(fleet.client, tx, seconds=0.3, steps=5) for tx in ids))
    await asyncio.gather(*(fleet.client.transactions.cancel(tx) for tx in ids))
    views = await asyncio.gather(*(ended(fleet.client, tx) for tx in ids))
    assert {view.state for view in views} == {"rolled_back"}


async def test_what_an_operator_changes_holds_at_every_master_when_he_is_answered(fleet: Fleet, other: Master) -> None:
    await fleet.start_child("shop")
    both = (first(fleet), other)
    for number in range(6):
        state = "maintenance" if number % 2 else "active"
        await fleet.client.nodes.update(NodeUpdate(node="shop", state=state, title=f"shop {number}"))
        assert [registry_of(master).get("shop").state for master in both] == [state, state]
        assert [registry_of(master).get("shop").title for master in both] == [f"shop {number}"] * 2
    child = fleet.children["shop"]
    assert child.name in {node.name for node in await fleet.client.nodes.list()}
    await asyncio.gather(*(registry_of(master).save() for master in both))
    assert {registry_of(master).get("shop").state for master in both} == {"maintenance"}
    await fleet.stop_child("shop")
    await fleet.client.nodes.remove("shop")
    assert [registry_of(master).find("shop").state for master in both] == ["removed"] * 2  # type: ignore[union-attr]


async def test_a_key_is_good_and_no_good_at_every_master_at_once(fleet: Fleet, other: Master) -> None:
    for number in range(3):
        client = await fleet.new_client(f"ann{number}")
        assert await asyncio.gather(*(client.nodes.list() for _ in range(6))) == [[]] * 6
        await fleet.client.keys.revoke(f"ann{number}")
        assert [master._access.keys.find(f"ann{number}") for master in (first(fleet), other)] == [None, None]


async def test_an_indexed_document_is_in_the_next_search_whichever_master_answers(fleet: Fleet, other: Master) -> None:
    await fleet.start_child("shop", {"things": None})
    for number in range(12):
        documents = [{"id": str(number), "text": f"granite lantern {number}"}]
        await fleet.client.run("index", {"collection": "things", "documents": documents}, nodes=["shop"])
        found = await asyncio.gather(*(fleet.client.search("granite", limit=100) for _ in range(4)))
        assert [len(answer.hits) for answer in found] == [number + 1] * 4


async def test_a_node_that_one_master_has_let_in_is_known_to_the_other(fleet: Fleet, other: Master) -> None:
    for number in range(4):
        await fleet.start_child(f"shop{number}")
        both = (first(fleet), other)
        assert all(registry_of(master).find(f"shop{number}") is not None for master in both)
    incarnations = {node.name: node.description.incarnation for node in await fleet.client.nodes.list()}
    await eventually(
        lambda: all(registry_of(master).healthy(name) for name in incarnations for master in (first(fleet), other))
    )
    now = {node.name: node.description.incarnation for node in await fleet.client.nodes.list()}
    assert now == incarnations


async def test_a_cleared_cache_is_empty_at_every_master(fleet: Fleet, other: Master) -> None:
    await fleet.start_child("shop", {"things": None})
    documents = [{"id": "1", "text": "granite lantern"}]
    await fleet.client.run("index", {"collection": "things", "documents": documents}, nodes=["shop"])
    found = [await fleet.client.search("granite") for _ in range(12)]
    assert any(answer.cached for answer in found)
    await fleet.client.cache.clear()
    assert not (await fleet.client.search("granite")).cached


async def test_who_was_let_in_by_one_is_known_to_the_other_though_nobody_told_it(
    fleet: Fleet, other: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has just begun is not among those that are told."""

    async def untold(*_: object) -> dict[str, object]:
        return {}

    monkeypatch.setattr("fleetfold_master.cluster.peers.Peers.ask_all", untold)
    await fleet.start_child("shop")
    client = await fleet.new_client("late")
    for _ in range(8):
        assert [node.name for node in await client.nodes.list()] == ["shop"]
