"""The second wall: who gets past the broker's permissions still has nothing that a node takes for a master's word."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.identity.message_seals import UNSEALED, MasterSeals, Seals
from fleetfold_broker.rpc.scatter import BROADCAST_FROM, ScatterClient
from fleetfold_child.node.node import Node
from fleetfold_master.jobs.command_publisher import CommandPublisher
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import Command, NodeList, SealKeys, Superseded, encode
from support.broker import emptied
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]

PING = encode(NodeList())


class OfAnother(MasterSeals):
    """Seals with the keys of the node `blog`, whoever it is for."""

    def sealed(self, node: str, subject: str, data: bytes, headers: Any) -> dict[str, str]:
        del node
        return super().sealed("blog", subject, data, headers)


def _node(fleet: Fleet, name: str) -> Node:
    node = fleet.children[name]._node
    assert node is not None
    return node


def _stolen(fleet: Fleet) -> Seals:
    return OfAnother(fleet.keys.issuer)


@pytest.mark.parametrize("sealed", [False, True], ids=["no seal", "another node's seal"])
async def test_a_call_that_no_master_has_made_is_refused_and_who_waits_is_told(fleet: Fleet, sealed: bool) -> None:
    await fleet.start_child("shop")
    async with fleet.masters_bus() as bus:
        gatherer = ScatterClient(bus, seals=_stolen(fleet) if sealed else UNSEALED)
        await gatherer.start()
        answers = await gatherer.ask("ping", ["shop"], PING, 10.0)
        assert isinstance(answers["shop"].error, Forbidden)
        honest = ScatterClient(bus, seals=fleet.seals)
        await honest.start()
        assert (await honest.ask("ping", ["shop"], PING, 10.0))["shop"].error is None


async def test_a_broadcast_is_taken_with_a_masters_signature_only(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    everybody = ["shop", *(f"n{number}" for number in range(BROADCAST_FROM))]
    async with fleet.masters_bus() as bus:
        for seals, refused in ((UNSEALED, True), (fleet.seals, False)):
            gatherer = ScatterClient(bus, seals=seals)
            await gatherer.start()
            with gatherer.round("ping", lambda _node, _answer: True) as round_:
                await round_.ask(everybody, PING, 10.0)
                assert await round_.wait(10.0)
                assert isinstance(round_.answers["shop"].error, Forbidden) == refused


async def test_what_is_only_told_is_dropped_without_a_seal(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    node = _node(fleet, "shop")
    subject, data = "fleet.call.shop.superseded", encode(Superseded(incarnation="another"))
    async with fleet.masters_bus() as bus:
        await bus.connection.publish(subject, data, "_INBOX.master.x")
        await bus.connection.publish(subject, data, headers=_stolen(fleet).sealed("shop", subject, data, {}))
        await fleet.client.nodes.ping("shop")
        assert not node.stopped.is_set()
        await bus.connection.publish(subject, data, headers=fleet.seals.sealed("shop", subject, data, {}))
        await eventually(node.stopped.is_set)


async def test_a_command_that_no_master_has_sealed_is_not_run_and_is_told(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    forged = encode(Command(id="forged", attempt=1, action="enter", params={"tx": "x"}))
    await fleet.store_command("shop", forged, sealed=False)
    await eventually(lambda: _dead_letters_there(fleet))
    [dead_letter] = (await fleet.client.dead_letters.list()).dead_letters
    assert (dead_letter.reason, dead_letter.node) == ("malformed", "shop")
    assert "no master of this fleet has sealed it" in dead_letter.error
    assert fleet.effects("shop") == []
    await fleet.store_command("shop", forged)
    await eventually(lambda: fleet.effects("shop") == [("", "do")])


async def _dead_letters_there(fleet: Fleet) -> bool:
    return bool((await fleet.client.dead_letters.list()).dead_letters)


@pytest.mark.parametrize("before", [None, MasterSeals], ids=["an older release", "the keys of before"])
async def test_a_command_sent_without_a_good_seal_is_sent_again_with_one(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, before: type[MasterSeals] | None
) -> None:
    monkeypatch.setattr("fleetfold_master.jobs.command_dispatch.RESEND_S", 0.5)
    await fleet.start_child("shop")
    other = UNSEALED if before is None else before(BrokerKeys.generate().issuer)
    sent = list[str]()
    sealed = CommandPublisher.send

    async def first_without(self: CommandPublisher, node: str, command: Command) -> None:
        seals, self._seals = self._seals, other if command.attempt == 1 else self._seals
        try:
            sent.append(command.id)
            await sealed(self, node, command)
        finally:
            self._seals = seals

    monkeypatch.setattr(CommandPublisher, "send", first_without)
    job = await fleet.client.run("enter", {"tx": "x"}, nodes=["shop"], timeout_s=30)
    assert job.state == "ok"
    assert len(sent) >= 2
    assert fleet.effects("shop") == [("", "do")]
    assert (await fleet.client.dead_letters.list()).dead_letters == []


async def test_a_node_that_has_the_keys_of_before_learns_the_new_ones(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    _node(fleet, "shop")._seals.trust(SealKeys(own=b"o" * 32, broadcast=b"b" * 32))
    assert (await fleet.client.nodes.ping("shop"))["shop"] is not None
    _node(fleet, "shop")._seals.trust(SealKeys(own=b"o" * 32, broadcast=b"b" * 32))
    assert (await fleet.client.run("enter", {"tx": "x"}, nodes=["shop"], timeout_s=30)).state == "ok"


async def test_two_masters_seal_alike_and_a_command_outlives_the_one_that_has_sent_it(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.stop_child("shop")
    job = await fleet.client.run("enter", {"tx": "x"}, nodes=["shop"], timeout_s=60, detach=True)
    async with fleet.another_master():
        await fleet.stop_master()
        await fleet.start_child("shop")
        assert (await fleet.client.jobs.wait(job.id, 60)).state == "ok"
    async with fleet.masters_bus() as bus:
        await emptied(bus, "FLEET_CMD")
