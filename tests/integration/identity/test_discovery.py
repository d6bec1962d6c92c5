"""Service discovery: who may asks, who is there is shown under its own name, and no answer is aimed at another."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.config import AccessConfig
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import ClientRole, Scopes, ServiceCounters
from support.inprocess import Fleet, fleet
from support.intruder import Intruder, credentials
from support.wait import eventually

__all__ = ["fleet"]


@pytest.fixture
async def ops(fleet: Fleet) -> AsyncIterator[Intruder]:
    async with await _client(fleet, "ops", "operator") as ops:
        yield ops


async def _client(fleet: Fleet, name: str, role: ClientRole, **more: Any) -> Intruder:
    client = await Intruder.connect(fleet.broker.url, name, await fleet.new_key(name, role, **more))
    assert await client.hear(f"_INBOX.{name}.>") == []
    return client


async def _look(client: Intruder, subject: str, count: int, inbox: str = "ops") -> list[dict[str, Any]]:
    """What is answered: so many, and no more."""
    client.heard.clear()
    assert await client.say(subject, b"", reply=f"_INBOX.{inbox}.seen") == []
    await eventually(lambda: len(client.heard) >= count)
    answers = [msgspec.json.decode(message.data) for message in client.heard]
    assert len(answers) == count
    return answers


async def test_an_operator_sees_the_masters_and_the_nodes(fleet: Fleet, ops: Intruder) -> None:
    await fleet.start_child("shop")
    await fleet.start_child("blog")
    answers = await _look(ops, "$SRV.PING", 3)
    assert {each["name"] for each in answers} == {"fleetfold", "fleetfold-node-shop", "fleetfold-node-blog"}


@pytest.mark.parametrize("verb", ["PING", "INFO", "STATS"])
async def test_a_node_is_found_by_its_name_and_its_id(fleet: Fleet, ops: Intruder, verb: str) -> None:
    await fleet.start_child("shop")
    await fleet.start_child("blog")
    [named] = await _look(ops, f"$SRV.{verb}.fleetfold-node-shop", 1)
    [single] = await _look(ops, f"$SRV.{verb}.fleetfold-node-shop.{named['id']}", 1)
    assert (named["name"], named["type"]) == ("fleetfold-node-shop", f"io.nats.micro.v1.{verb.lower()}_response")
    assert {**named, "endpoints": None} == {**single, "endpoints": None}


async def test_a_nodes_figures_are_those_of_its_endpoints(fleet: Fleet, ops: Intruder) -> None:
    await fleet.start_child("shop")
    await fleet.client.nodes.ping("shop")
    [stats] = await _look(ops, "$SRV.STATS.fleetfold-node-shop", 1)
    [ping] = [each for each in stats["endpoints"] if each["name"] == "ping"]
    assert ping["num_requests"] >= 1
    assert (ping["subject"], ping["queue_group"]) == ("fleet.call.shop.ping", "shop")


async def test_a_node_cannot_call_itself_another_nor_a_master(
    fleet: Fleet, ops: Intruder, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = await fleet.start_child("shop")
    lies = {"name": "fleetfold", "id": "master", "metadata": {"is": "master"}}
    told = ServiceCounters(incarnation="master", version="1", started="now")
    monkeypatch.setattr(type(child._node), "counters", told)
    assert await _names(ops, 2) == {"fleetfold": 1, "fleetfold-node-shop": 1}
    async with await Intruder.connect(fleet.broker.url, "shop", credentials(fleet.place / "shop")["access"]) as stolen:
        assert len(await stolen.hear("$SRV.>")) == 1
        assert len(await stolen.say("_INBOX.ops.seen", msgspec.json.encode(lies))) == 1


async def test_a_request_that_is_aimed_at_anothers_inbox_is_not_answered(fleet: Fleet, ops: Intruder) -> None:
    await fleet.start_child("shop")
    async with await _client(fleet, "victim", "admin") as victim, fleet.masters_bus() as master:
        for subject in ("$SRV.PING", "$SRV.INFO", "$SRV.STATS.fleetfold"):
            claimed = {"Nats_Request_Info": '{"user":"victim"}'}
            assert await ops.say(subject, b"", reply="_INBOX.victim.seen", **claimed) == []
        await _look(ops, "$SRV.PING", 2)
        await master.connection.barrier()
        await victim.client.flush()
        assert victim.heard == []


async def test_a_request_that_is_aimed_past_an_inbox_is_not_answered(fleet: Fleet, ops: Intruder) -> None:
    await fleet.start_child("shop")
    async with fleet.masters_bus() as master:
        heard = []

        async def hear(message: Any) -> None:
            heard.append(message)

        await master.connection.subscribe("fleet.cmd.*", hear)
        await master.connection.barrier()
        for reply in ("fleet.cmd.shop", "fleet.hb.shop", "_INBOX.ops", "_INBOX..x"):
            await ops.say("$SRV.PING", b"", reply=reply)
        await _look(ops, "$SRV.PING", 2)
        await master.connection.barrier()
        assert heard == []


async def test_an_operator_with_scopes_sees_the_nodes_of_them(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.start_child("blog")
    async with await _client(fleet, "eu", "operator", scopes=Scopes(nodes=["shop"])) as eu:
        assert {each["name"] for each in await _look(eu, "$SRV.PING", 2, "eu")} == {"fleetfold", "fleetfold-node-shop"}


async def test_of_two_masters_each_answers_for_itself_and_one_for_the_nodes(fleet: Fleet, ops: Intruder) -> None:
    await fleet.start_child("shop")
    async with fleet.another_master() as other:
        assert fleet.master is not None
        for one in (fleet.master, other):
            await eventually(lambda one=one: one._membership is not None and len(one._membership.others) == 1)
        for _ in range(5):
            assert await _names(ops, 3) == {"fleetfold": 2, "fleetfold-node-shop": 1}


async def test_a_fleet_without_identities_shows_its_masters_and_nodes(broker: EmbeddedBroker, tmp_path: Path) -> None:
    fleet = Fleet(broker, tmp_path, BrokerKeys.generate())
    fleet.access = AccessConfig(insecure=True)
    await fleet.start_master()
    await fleet.start_child("shop")
    try:
        async with await Intruder.connect(broker.url, "ops", "") as ops:
            await ops.hear("_INBOX.ops.>")
            assert await _names(ops, 2) == {"fleetfold": 1, "fleetfold-node-shop": 1}
    finally:
        await fleet.close()


async def test_a_node_that_is_called_as_the_masters_service_is_another_one(fleet: Fleet, ops: Intruder) -> None:
    await fleet.start_child("fleetfold")
    assert await _names(ops, 2) == {"fleetfold": 1, "fleetfold-node-fleetfold": 1}


async def test_nobody_joins_or_gets_a_key_under_the_masters_name(fleet: Fleet) -> None:
    for ask in (fleet.client.nodes.invite("master"), fleet.client.keys.create("master")):
        with pytest.raises(InvalidInput, match="the masters' own name"):
            await ask


async def test_a_node_that_hangs_does_not_hold_up_what_is_said_of_the_others(
    fleet: Fleet, ops: Intruder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetfold_master.api.service_discovery.ASKED_WITHIN_S", 600.0)
    await fleet.start_child("shop")
    async with fleet.masters_bus() as bus:
        await bus.connection.subscribe("fleet.call.mute.>", _say_nothing)
        await fleet.start_child("mute")
        await fleet.stop_child("mute")
        assert await _names(ops, 2) == {"fleetfold": 1, "fleetfold-node-shop": 1}


async def _say_nothing(_message: Any) -> None:
    """It is there, and does not answer."""


async def test_who_asks_more_often_than_it_may_is_not_answered(fleet: Fleet) -> None:
    await fleet.stop_master()
    fleet.access = AccessConfig(operator_per_minute=1)
    await fleet.start_master()
    async with await _client(fleet, "busy", "operator") as busy, await _client(fleet, "calm", "operator") as calm:
        await _look(busy, "$SRV.PING", 1, "busy")
        await busy.say("$SRV.PING", b"", reply="_INBOX.busy.again")
        await _look(calm, "$SRV.PING", 1, "calm")
        await busy.client.flush()
        assert [message.subject for message in busy.heard] == ["_INBOX.busy.seen"]


async def _names(client: Intruder, count: int) -> Counter[str]:
    return Counter(each["name"] for each in await _look(client, "$SRV.PING", count))
