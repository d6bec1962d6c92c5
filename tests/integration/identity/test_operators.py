"""What a client's key opens beside the API, and nothing that nodes may."""

from __future__ import annotations

from support.inprocess import Fleet, fleet
from support.intruder import Intruder
from support.wait import eventually

__all__ = ["fleet"]


async def test_a_reader_does_not_ask_services_nor_speak_for_anybody(fleet: Fleet) -> None:
    async with await Intruder.connect(fleet.broker.url, "ann", await fleet.new_key("ann", "reader")) as ann:
        for subject in ("$SRV.PING", "fleet.evt.ann.sale", "fleet.hb.ann", "fleet.res.ann", "fleet.cmd.shop"):
            assert len(await ann.say(subject)) == 1, subject
        for subject in ("fleet.>", "fleet.deliver.ann", "_INBOX.cli.>", "$SRV.>"):
            assert len(await ann.hear(subject)) == 1, subject


async def test_a_key_that_is_revoked_loses_its_connections(fleet: Fleet) -> None:
    key = await fleet.new_key("ops", "operator")
    async with await Intruder.connect(fleet.broker.url, "ops", key) as ops:
        revoked = await fleet.client.keys.revoke("ops")
        assert revoked.connections == 1
        await eventually(lambda: ops.client.is_closed, 1.0)
