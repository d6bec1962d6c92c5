"""Renewal over a real broker: nothing is lost, nothing comes twice, and whoever was away comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection import supervised as supervised
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_child.enrolment import renewal as renewing
from fleetfold_child.enrolment.enrolment_client import requests_over
from fleetfold_child.enrolment.renewal import CredentialRenewal
from fleetfold_shared.backoff import HALF, Backoff
from fleetfold_shared.messages import NodeList
from support.broker import kill, listen
from support.enrolment_broker import EnrolmentBroker, enrolment_broker
from support.wait import eventually

LIFETIME_S = 4.0
LIFETIMES = 2


@pytest.fixture
async def house(nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EnrolmentBroker]:
    monkeypatch.setattr(supervised, "BACKOFF", replace(supervised.BACKOFF, max_s=0.1))
    monkeypatch.setattr(supervised, "REFUSED_MOST_S", 0.2)
    monkeypatch.setattr(renewing, "REFUSED", Backoff.constant(0.2, HALF))
    async with enrolment_broker(tmp_path, LIFETIME_S) as house:
        yield house


@contextlib.asynccontextmanager
async def member(house: EnrolmentBroker) -> AsyncIterator[tuple[CredentialRenewal, Bus]]:
    """The node `shop`, enrolled, up, and renewing."""
    membership = house.membership()
    await membership.enrol(house.registrar.invitation)
    async with await house.connect(membership) as bus:
        staying = asyncio.create_task(membership.keep_renewed(requests_over(bus), bus.connection.renew))
        try:
            yield membership, bus
        finally:
            staying.cancel()
            await asyncio.gather(staying, return_exceptions=True)


@pytest.mark.dear
async def test_a_token_that_expires_under_load_costs_no_message_and_doubles_none(house: EnrolmentBroker) -> None:
    heard: Counter[bytes] = Counter()
    said = 0

    async def hear(message: Incoming) -> None:
        heard[message.data] += 1

    async with member(house) as (_, shop):
        await shop.connection.subscribe("fleet.call.shop.count", hear, "shop")
        said_by_it = await listen(house.fleet, "fleet.hb.shop")
        await shop.connection.barrier()
        while house.admitted.count("full") <= LIFETIMES:
            said += 1
            await house.fleet.connection.publish("fleet.call.shop.count", str(said).encode())
            await shop.connection.publish("fleet.hb.shop", str(said).encode())
            await house.fleet.connection.barrier()
        await eventually(lambda: len(heard) == said and len(said_by_it) == said)
        assert shop.connection.reconnects == 0
    assert set(heard.values()) == {1}
    assert [int(each.data) for each in said_by_it] == list(range(1, said + 1))
    assert house.admitted.count("full") > LIFETIMES
    assert "refresh" not in house.admitted  # all over the connection that stood


async def test_a_lost_answer_does_not_end_the_family(house: EnrolmentBroker) -> None:
    house.lost = 1
    async with member(house) as (_, shop):
        house.lost = 2
        await eventually(lambda: house.admitted.count("full") == 2)
        assert house.registrar.asked == ["enrol"] * 2 + ["refresh"] * 3
        assert not house.registrar.revoked
        assert len(house.registrar.claims) == 1
        assert shop.connection.reconnects == 0


async def test_a_node_whose_token_ended_while_the_broker_was_away_comes_back(house: EnrolmentBroker) -> None:
    membership = house.membership()
    await membership.enrol(house.registrar.invitation)
    async with await house.connect(membership) as shop:
        house.registrar.access = "signed with another key"
        kill(house.broker)
        await eventually(lambda: shop.connection.reconnects == 1 and shop.connection.is_up)
        assert house.registrar.asked == ["enrol", "refresh"]
        entered = [way for way, _ in groupby(house.admitted)]  # a door may be cut off while it is open, and tried again
        assert entered == ["enrol", "full", "refresh", "full"]
        await shop.publish("fleet.hb.shop", NodeList())


async def test_a_revoked_node_says_so_once_and_is_let_in_when_the_operator_does(house: EnrolmentBroker) -> None:
    with capture_logs() as logs:
        async with member(house) as (_, shop):
            house.registrar.revoked = True
            kill(house.broker)
            await eventually(lambda: house.refused + house.registrar.asked.count("refresh") > 4)
            house.registrar.revoked = False
            await eventually(lambda: shop.connection.is_up)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["node.refused"]


async def test_one_that_is_to_join_can_do_nothing_else(house: EnrolmentBroker) -> None:
    door = house.membership()._client
    heard = await listen(house.fleet, "fleet.>")
    async with door.enter(house.registrar.invitation) as ask:
        bus: Bus = ask.__closure__[0].cell_contents  # type: ignore[attr-defined]
        for subject in (
            "fleet.hb.shop",
            "fleet.api.shop.nodes.join",
            "fleet.join.shop.refresh",
            "fleet.join.blog.enrol",
        ):
            await bus.publish(subject, NodeList())
        await bus.publish("fleet.join.shop.enrol", NodeList(), "_INBOX.shop.here")
        await bus.connection.barrier()
    await eventually(lambda: bool(heard))
    assert [message.subject for message in heard] == ["fleet.join.shop.enrol"]
