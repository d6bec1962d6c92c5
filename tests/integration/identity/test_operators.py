"""What an operator's key opens beside the API: a look at all services of the fleet, and nothing that nodes may."""

from __future__ import annotations

import msgspec

from support.inprocess import Fleet, fleet
from support.intruder import Intruder
from support.wait import eventually

__all__ = ["fleet"]


async def test_an_operator_sees_the_masters_and_the_nodes_as_services(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    async with await Intruder.connect(fleet.broker.url, "ops", await fleet.new_key("ops", "operator")) as ops:
        await ops.hear("_INBOX.ops.>")
        assert await ops.say("$SRV.PING", b"", reply="_INBOX.ops.seen") == []
        await eventually(lambda: len(ops.heard) == 2)
        names = {msgspec.json.decode(message.data)["name"] for message in ops.heard}
    assert names == {"fleetfold", "fleetfold-node-shop"}


async def test_a_reader_does_not_ask_services_nor_speak_for_anybody(fleet: Fleet) -> None:
    async with await Intruder.connect(fleet.broker.url, "ann", await fleet.new_key("ann", "reader")) as ann:
        for subject in ("$SRV.PING", "fleet.evt.ann.sale", "fleet.hb.ann", "fleet.res.ann", "fleet.cmd.shop"):
            assert len(await ann.say(subject)) == 1, subject
        for subject in ("fleet.>", "fleet.do.ann", "_INBOX.cli.>", "$SRV.>"):
            assert len(await ann.hear(subject)) == 1, subject


async def test_a_key_that_is_revoked_loses_its_connections(fleet: Fleet) -> None:
    key = await fleet.new_key("ops", "operator")
    async with await Intruder.connect(fleet.broker.url, "ops", key) as ops:
        revoked = await fleet.client.revoke_key("ops")
        assert revoked.connections == 1
        await eventually(lambda: ops.client.is_closed, 1.0)
