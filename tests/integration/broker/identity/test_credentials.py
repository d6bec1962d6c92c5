"""What a connection shows to the broker: asked for anew each time, improved when it is refused, told to nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection import supervised as supervised
from fleetfold_broker.identity import BrokerKeys, Grant, LoginData
from fleetfold_broker.identity.callout import LoginRefused
from fleetfold_broker.identity.grants import narrow_inbox
from fleetfold_broker.jetstream.topology import Topology
from fleetfold_broker.rpc.pipeline import Call
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.errors import InternalError, Unauthenticated, Unavailable
from fleetfold_shared.messages import Message, NodeList, Pong
from support.broker import kill
from support.guarded import Guarded, Shows, anyone
from support.wait import eventually

GOOD, BAD = "ffk_01jgoodgoodgoodgood", "ffk_01jbadbadbadbadbad"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "BACKOFF", replace(supervised.BACKOFF, max_s=0.1))
    monkeypatch.setattr(supervised, "REFUSED_MOST_S", 0.1)


async def _only_good(presented: LoginData) -> Grant:
    if presented.token.startswith(GOOD):
        return await anyone(presented)
    raise LoginRefused("unknown")


async def test_what_to_show_is_asked_for_at_each_connection(guarded: Guarded) -> None:
    came = list[str]()

    async def admit(presented: LoginData) -> Grant:
        came.append(presented.token)
        return await anyone(presented)

    await guarded.callout(admit)
    shows = Shows("one", "two", "three")
    bus = await guarded.bus("shop", credential=shows)
    shows.next()
    await bus.connection.renew()
    shows.next()
    kill(guarded.broker)
    await eventually(lambda: bus.connection.reconnects == 1 and bus.connection.is_up)
    assert list(dict.fromkeys(came)) == ["one", "two", "three"]
    assert shows.refusals == 0


async def test_at_the_start_a_refusal_is_mended_once_where_it_can_be(guarded: Guarded) -> None:
    await guarded.callout(_only_good)
    shows = Shows(BAD, GOOD)
    assert (await guarded.bus("shop", credential=shows)).connection.is_up
    assert (list(dict.fromkeys(shows.shown)), shows.refusals) == ([BAD, GOOD], 1)


async def test_what_was_refused_is_not_shown_again(guarded: Guarded) -> None:
    came: list[str] = []

    async def admit(presented: LoginData) -> Grant:
        came.append(presented.token)
        raise LoginRefused("unknown")

    await guarded.callout(admit)
    shows = Shows(BAD)
    with pytest.raises(Unauthenticated, match="refuses the credentials: they are missing, unknown, expired or revoked"):
        await guarded.bus("shop", credential=shows)
    assert came == [BAD]


async def test_without_a_credential_it_is_refused(guarded: Guarded) -> None:
    await guarded.callout(_only_good)
    with pytest.raises(Unauthenticated):
        await Bus.connect(guarded.broker.url, "shop")


async def test_a_refusal_later_on_does_not_end_the_connection(guarded: Guarded) -> None:
    admitted = {"first", "second"}

    async def admit(presented: LoginData) -> Grant:
        if presented.token in admitted:
            return await anyone(presented)
        raise LoginRefused("expired")

    await guarded.callout(admit)
    shows = Shows("first", "stale", "second")
    bus = await guarded.bus("shop", credential=shows)
    shows.next()
    await bus.connection.client.close()
    await eventually(lambda: bus.connection.reconnects == 1 and bus.connection.is_up)
    assert (shows.shown, shows.refusals) == (["first", "stale", "second"], 1)


async def test_a_renewal_that_is_refused_says_so_and_leaves_the_connection_as_it_is(guarded: Guarded) -> None:
    await guarded.callout(_only_good)
    shows = Shows(GOOD, BAD)
    bus = await guarded.bus("shop", credential=shows)
    before = bus.connection.client
    shows.next()
    with pytest.raises(Unauthenticated):
        await bus.connection.renew()
    assert bus.connection.client is before
    await bus.connection.barrier()
    assert bus.connection.reconnects == 0


async def test_a_credential_that_cannot_be_improved_is_shown_again(guarded: Guarded) -> None:
    """Its `refused()` may fail, such as when the master that gives new ones is away."""
    letting_in = False

    class Stuck(Shows):
        async def refused(self) -> None:
            self.refusals += 1
            raise Unavailable("no master answers")

    async def admit(presented: LoginData) -> Grant:
        if letting_in:
            return await anyone(presented)
        raise LoginRefused("not yet")

    await guarded.callout(admit)
    shows = Stuck(GOOD)
    coming = asyncio.create_task(guarded.bus("shop", credential=shows, patient=True))
    await eventually(lambda: shows.refusals > 1)
    letting_in = True
    assert (await coming).connection.is_up


async def test_the_token_stands_in_no_log_and_no_message(guarded: Guarded) -> None:
    async def admit(presented: LoginData) -> Grant:
        if presented.name == "broken":
            raise ZeroDivisionError
        return await _only_good(presented)

    await guarded.callout(admit)
    told = list[str]()
    with capture_logs() as logs:
        for name in ("shop", "broken"):
            with pytest.raises(Unauthenticated) as refused:
                await guarded.bus(name, credential=Shows(BAD))
            told.append(repr(refused.value))
        bus = await guarded.bus("shop", credential=Shows(GOOD))
        kill(guarded.broker)
        await eventually(lambda: bus.connection.reconnects == 1 and bus.connection.is_up)
    text = repr([entry for entry in logs if entry["event"] != "callout.broke"]) + repr(told)
    text += guarded.broker.log_file.read_text()
    assert GOOD not in text
    assert BAD not in text


async def test_the_masters_seeds_open_one_account_each(guarded: Guarded) -> None:
    await Topology(await guarded.master()).ensure_streams()
    for seed in (guarded.keys.auth, guarded.keys.sys):
        with pytest.raises(InternalError, match="JetStream not enabled for account"):
            await Topology(await guarded.bus(seed=seed)).ensure_streams()


async def test_a_seed_that_is_not_the_masters_is_refused(guarded: Guarded) -> None:
    await guarded.callout(_only_good)
    for seed in (BrokerKeys.generate().fleet, guarded.keys.issuer):
        with pytest.raises(Unauthenticated):
            await guarded.bus(seed=seed)


async def test_the_masters_own_way_in_needs_no_master(guarded: Guarded) -> None:
    assert (await guarded.master()).connection.is_up


async def test_a_newcomer_is_answered_at_the_inbox_of_its_own_token(guarded: Guarded) -> None:
    """Two of one name, each with an invitation: neither hears the other's answer."""

    async def admit(presented: LoginData) -> Grant:
        inbox = narrow_inbox(presented.name, presented.token)
        return Grant(name=presented.name, role="child", grade="enrol", inbox=inbox)

    async def enrol(call: Call) -> Message:
        return Pong(incarnation=call.identity)

    await guarded.callout(admit)
    master = await guarded.master()
    service = RequestServer(master, "masters", version="1.0.0")
    subjects = master.subjects
    await service.serve("join", subjects.join(), enrol, queue="masters", caller=lambda s: subjects.token(s, 1))
    await master.connection.barrier()
    for token in ("ffj_one", "ffj_two"):
        bus = await guarded.connect("shop", token, inbox=narrow_inbox("shop", token))
        answer = await bus.request(subjects.join("shop", "enrol"), NodeList(), Pong, 10.0)
        assert answer.incarnation == "shop"
    with capture_logs() as logs:
        await guarded.connect("shop", "ffj_two", inbox=narrow_inbox("shop", "ffj_one"))
        await eventually(lambda: any("permissions violation" in entry.get("reason", "") for entry in logs))
    await service.stop()


async def test_an_insecure_broker_does_not_ask_and_is_not_bothered_by_a_token(broker: EmbeddedBroker) -> None:
    shows: Any = Shows(GOOD)
    async with await Bus.connect(broker.url, "shop", credential=shows) as bus:
        await bus.connection.barrier()
    assert shows.refusals == 0
