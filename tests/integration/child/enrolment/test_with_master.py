"""A child and a real master: crashes, races, revocation, approval, and renewal under load."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from fleetfold_broker.connection import supervised as supervised
from fleetfold_child.enrolment import renewal as renewing
from fleetfold_child.enrolment.credential_store import FILE
from fleetfold_shared.backoff import HALF, Backoff
from fleetfold_shared.config import AccessConfig
from fleetfold_shared.errors import Conflict, FleetfoldError, Unauthenticated
from fleetfold_shared.messages import Command, NodeUpdate
from support.inprocess import Fleet, fleet, statuses
from support.registrar import Died, Trap
from support.wait import eventually

__all__ = ["fleet"]

DOCS = [{"id": "1", "text": "tent"}]
STEPS = range(8)
"""More than either exchange takes."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "BACKOFF", replace(supervised.BACKOFF, max_s=0.2))
    monkeypatch.setattr(supervised, "REFUSED_MOST_S", 0.2)
    monkeypatch.setattr(renewing, "REFUSED", Backoff.constant(0.2, HALF))


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Trap:
    trap = Trap()
    trap.watch_the_disk(monkeypatch)
    trap.watch_the_door(monkeypatch)
    return trap


def without_local_key(fleet: Fleet) -> None:
    """As on another machine than the master's."""
    (fleet.place / "keys" / "cli.json").unlink()


def expire(data: Path) -> None:
    """Let the access token be over, as after a long absence."""
    papers = msgspec.json.decode((data / FILE).read_bytes())
    papers["pair"]["expires_at"] = 0
    (data / FILE).write_bytes(msgspec.json.encode(papers))


async def again_with(fleet: Fleet, **access: Any) -> None:
    """The master once more, with these settings."""
    await fleet.stop_master()
    fleet.access = AccessConfig(**access)
    await fleet.start_master()


async def test_a_node_that_dies_anywhere_while_it_joins_is_in_after_all_and_uses_its_token_once(
    fleet: Fleet, trap: Trap
) -> None:
    without_local_key(fleet)
    died = 0
    for dies_at in STEPS:
        name = f"shop-{dies_at}"
        token = (await fleet.client.nodes.invite(name)).token
        for _ in range(2):
            trap.set(dies_at)
            with contextlib.suppress(Died):
                await fleet.start_child(name, join=token)
                await fleet.stop_child(name)
                continue
            died += 1
        trap.set(None)
        await fleet.start_child(name, join=token)
        await fleet.stop_child(name)
        with pytest.raises(Unauthenticated, match="used before"):
            await fleet.start_child(name, join=token, data=f"{name}-thief")
        await fleet.start_child(name)
        assert (await fleet.client.nodes.get(name)).healthy
        await fleet.stop_child(name)
    assert died >= 10


async def test_a_node_that_dies_anywhere_while_it_renews_is_taken_for_no_thief(fleet: Fleet, trap: Trap) -> None:
    await fleet.start_child("shop")
    died = 0
    for dies_at in STEPS:
        await fleet.stop_child("shop")
        expire(fleet.place / "shop")
        trap.set(dies_at)
        with contextlib.suppress(Died):
            await fleet.start_child("shop")
            await fleet.stop_child("shop")
        died += "shop" not in fleet.children
        trap.set(None)
        expire(fleet.place / "shop")
        await fleet.start_child("shop")
    assert died >= 5
    assert await fleet.client.audit.list(what="refresh.reused") == []
    assert (await fleet.client.nodes.get("shop")).healthy


async def test_of_two_that_race_with_one_token_one_wins(fleet: Fleet) -> None:
    without_local_key(fleet)
    token = (await fleet.client.nodes.invite("shop")).token
    racers = [fleet.declare("shop", data=f"shop-{number}", join=token) for number in (1, 2)]
    ended = await asyncio.gather(*(fleet.start(racer) for racer in racers), return_exceptions=True)
    [lost] = [one for one in ended if isinstance(one, BaseException)]
    assert isinstance(lost, Unauthenticated | Conflict)
    assert (await fleet.client.nodes.get("shop")).healthy


async def test_a_revoked_node_is_out_until_it_is_invited_again(fleet: Fleet) -> None:
    without_local_key(fleet)
    child = await fleet.start_child("shop", join=(await fleet.client.nodes.invite("shop")).token)
    assert child._node is not None
    connection = child._node._bus.connection
    with capture_logs() as logs:
        await fleet.client.nodes.revoke("shop")
        await eventually(lambda: not connection.is_up)
        await eventually(lambda: any(entry["event"] == "node.refused" for entry in logs))
    assert not connection.is_up
    await fleet.stop_child("shop")
    with pytest.raises(Unauthenticated, match="`fleetfold nodes invite shop`"):
        await fleet.start_child("shop")
    await fleet.start_child("shop", join=(await fleet.client.nodes.invite("shop")).token)
    assert (await fleet.client.nodes.get("shop")).healthy


async def test_an_inactive_node_comes_back_by_itself_when_it_is_active_again(fleet: Fleet) -> None:
    child = await fleet.start_child("shop")
    assert child._node is not None
    connection = child._node._bus.connection
    await fleet.client.nodes.update(NodeUpdate(node="shop", state="inactive"))
    await eventually(lambda: not connection.is_up)
    await fleet.client.nodes.update(NodeUpdate(node="shop", state="active"))
    await eventually(lambda: connection.is_up)

    async def healthy() -> bool:
        return (await fleet.client.nodes.get("shop")).healthy

    await eventually(healthy)


async def test_a_node_without_a_token_waits_for_an_operator(fleet: Fleet) -> None:
    without_local_key(fleet)
    with pytest.raises(Unauthenticated, match="`fleetfold nodes invite shop`"):
        await fleet.start_child("shop")
    await again_with(fleet, pending=True)
    without_local_key(fleet)
    with capture_logs() as logs:
        starting = asyncio.create_task(fleet.start_child("shop"))
        await eventually(lambda: any(entry["event"] == "node.awaiting_approval" for entry in logs))
    [fingerprint] = [entry["fingerprint"] for entry in logs if entry["event"] == "node.awaiting_approval"]
    assert [(node.name, node.state) for node in await fleet.client.nodes.list()] == [("shop", "pending")]
    await fleet.client.nodes.approve("shop", fingerprint=fingerprint)
    await starting
    assert (await fleet.client.nodes.get("shop")).healthy


async def test_a_command_that_did_not_come_through_the_stream_is_not_run(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    forged = Command(id="forged", attempt=1, epoch=1, action="enter", params={"tx": "t", "step": "forged"})
    async with fleet.masters_bus() as bus:
        for reply in ("", "_INBOX.master.here", "$JS.ACK.FLEET_CMD.blog.1.1.1.1.0", "$JS.ACK.OTHER.shop.1.1.1.1.0"):
            await bus.publish(bus.subjects.deliver("shop"), forged, reply)
        await bus.connection.barrier()
    assert (await fleet.client.run("enter", {"tx": "t", "step": "true"}, nodes=["shop"])).state == "ok"
    assert fleet.effects("shop") == [("true", "do")]


async def test_a_node_offers_what_it_was_granted_and_is_asked_for_nothing_else(fleet: Fleet) -> None:
    without_local_key(fleet)
    for name, capability in (("finder", "search"), ("doer", "actions")):
        token = (await fleet.client.nodes.invite(name, only=[capability])).token
        await fleet.start_child(name, {"docs": lambda: DOCS}, join=token)
    assert statuses(await fleet.client.search("tent")) == {"finder": "ok", "doer": "no_collection"}
    assert (await fleet.client.run("enter", {"tx": "t"}, nodes=["doer"])).state == "ok"
    with pytest.raises(FleetfoldError, match="finder"):
        await fleet.client.run("enter", {"tx": "t"}, nodes=["finder"])
    assert None not in (await fleet.client.nodes.ping("finder", "doer")).values()


@pytest.mark.dear
async def test_tokens_that_expire_under_load_cost_no_work_and_double_none(fleet: Fleet) -> None:
    await again_with(fleet, access_s=4, child_per_minute=0)
    child = await fleet.start_child("shop", {"products": lambda: DOCS})
    assert child._node is not None
    connection, runs = child._node._bus.connection, 0
    clients = [connection.client]
    while len(clients) < 3:  # two tokens have ended under it
        runs += 1
        job, found = await asyncio.gather(
            fleet.client.run("enter", {"tx": "t", "step": str(runs)}, nodes=["shop"]), fleet.client.search("tent")
        )
        assert job.state == "ok", job
        assert statuses(found) == {"shop": "ok"}
        if connection.client is not clients[-1]:
            clients.append(connection.client)
    assert connection.reconnects == 0
    assert fleet.effects("shop") == [(str(number), "do") for number in range(1, runs + 1)]
