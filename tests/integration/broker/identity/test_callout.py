"""The auth callout: the masters say who gets in, any of them will do, and who may not come in learns it soon."""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import replace

import msgspec
import nkeys
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from structlog.testing import capture_logs

from fleetfold_broker.connection import supervised as supervised
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.connection.transport import NatsTransport
from fleetfold_broker.identity import Grant, LoginData
from fleetfold_broker.identity.callout import SUBJECT, LoginRefused
from fleetfold_shared.errors import Unauthenticated, Unavailable
from fleetfold_shared.messages import NodeList
from support.broker import kill, listen
from support.guarded import Guarded, Shows, anyone, member
from support.wait import eventually

NOBODY_CHECKS = "is there, but nobody checks credentials: is a master running"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "BACKOFF", replace(supervised.BACKOFF, max_s=0.1))
    monkeypatch.setattr(supervised, "REFUSED_MOST_S", 0.1)


@pytest.fixture
def pinged(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the server has pinged somebody who is not let in yet, as it does after two seconds."""
    event, original = asyncio.Event(), NatsTransport.readline

    async def readline(self: NatsTransport) -> bytes:
        line = await original(self)
        if line.startswith(b"PING"):
            event.set()
        return line

    monkeypatch.setattr(NatsTransport, "readline", readline)
    return event


async def test_who_connects_is_shown_as_it_is_and_becomes_what_it_is_granted(guarded: Guarded) -> None:
    shown = list[LoginData]()

    async def admit(presented: LoginData) -> Grant:
        shown.append(presented)
        return member("blog")

    await guarded.callout(admit)
    bus = await guarded.connect("blog", "a token", inbox="blog")
    master = await guarded.master()
    heard = await listen(master, "fleet.hb.*")
    for name in ("shop", "blog"):
        await bus.publish(f"fleet.hb.{name}", NodeList())
    await eventually(lambda: len(heard) > 0)
    await bus.connection.barrier()
    await master.connection.barrier()
    assert [(each.name, each.token, each.host) for each in shown] == [("blog", "a token", "127.0.0.1")]
    assert [message.subject for message in heard] == ["fleet.hb.blog"]


async def test_any_master_that_lives_answers(guarded: Guarded) -> None:
    asked: dict[str, int] = {"first": 0, "second": 0}

    async def first(presented: LoginData) -> Grant:
        asked["first"] += 1
        return await anyone(presented)

    async def second(presented: LoginData) -> Grant:
        asked["second"] += 1
        return await anyone(presented)

    leaving = await guarded.callout(first)
    await guarded.callout(second)
    await asyncio.gather(*(guarded.connect(f"n{number}") for number in range(30)))
    assert sum(asked.values()) == 30
    assert all(asked.values())
    await leaving.stop()
    before = asked["first"]
    for number in range(5):
        await guarded.connect(f"late-{number}")
    assert asked["first"] == before


async def test_a_master_that_stops_answers_those_it_has_been_asked_about(guarded: Guarded) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def admit(presented: LoginData) -> Grant:
        entered.set()
        await release.wait()
        return await anyone(presented)

    callout = await guarded.callout(admit)
    connecting = asyncio.create_task(guarded.connect("shop"))
    await entered.wait()
    stopping = asyncio.create_task(callout.stop())
    await asyncio.sleep(0)
    release.set()
    await stopping
    assert (await connecting).connection.is_up


async def test_without_a_master_those_inside_go_on_and_those_outside_are_told_in_time(guarded: Guarded) -> None:
    callout = await guarded.callout()
    shop, master = await guarded.connect("shop"), await guarded.master()
    heard = await listen(master, "fleet.hb.*")
    await callout.stop()
    with pytest.raises(Unavailable, match=NOBODY_CHECKS) as told:
        await guarded.connect("blog", first_answer_s=0.5)
    assert "\n" not in told.value.message
    await shop.publish("fleet.hb.shop", NodeList())
    await eventually(lambda: len(heard) == 1)
    assert shop.connection.is_up


async def test_a_patient_one_comes_in_when_a_master_appears(guarded: Guarded) -> None:
    with capture_logs() as logs:
        coming = asyncio.create_task(guarded.connect("shop", patient=True, answer_s=0.3))
        await eventually(lambda: any(entry["event"] == "connection.retry" for entry in logs))
    assert NOBODY_CHECKS in next(entry["reason"] for entry in logs if entry["event"] == "connection.retry")
    await guarded.callout()
    assert (await asyncio.wait_for(coming, 10)).connection.is_up


async def test_a_broker_that_was_away_for_long_is_not_waited_for_longer_when_it_is_back(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has not answered at once it may never answer: the masters come back after it."""
    monkeypatch.setattr(supervised, "BACKOFF", replace(supervised.BACKOFF, max_s=0.01))
    monkeypatch.setattr(supervised, "PATIENCE_FIRST_S", 0.2)
    await guarded.broker.stop()
    shows = Shows("a token")
    coming = asyncio.create_task(guarded.bus("shop", credential=shows, patient=True, answer_s=30.0))
    await eventually(lambda: len(shows.shown) > 20)
    await guarded.broker.start()
    tried = len(shows.shown)
    await eventually(lambda: len(shows.shown) > tried + 2, 10.0)
    await guarded.callout()
    assert (await coming).connection.is_up


async def test_a_master_may_take_its_time_even_over_a_ping_of_the_server(
    guarded: Guarded, pinged: asyncio.Event
) -> None:
    async def admit(presented: LoginData) -> Grant:
        await pinged.wait()
        return await anyone(presented)

    await guarded.callout(admit)
    assert (await guarded.connect("shop", first_answer_s=30.0)).connection.is_up


async def test_a_late_refusal_is_a_refusal_and_the_connection_goes_on(
    guarded: Guarded, pinged: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "PATIENCE_FIRST_S", 30.0)

    async def admit(presented: LoginData) -> Grant:
        if presented.token == "good":
            return await anyone(presented)
        await pinged.wait()
        raise LoginRefused("unknown")

    await guarded.callout(admit)
    shows = Shows("bad", "good")
    coming = asyncio.create_task(guarded.bus("shop", credential=shows, patient=True, answer_s=30.0))
    with pytest.raises(Unauthenticated, match="refuses the credentials"):
        await guarded.bus("blog", credential=Shows("bad"), first_answer_s=30.0)
    assert (await coming).connection.is_up
    assert (shows.shown, shows.refusals) == (["bad", "good"], 1)


async def test_a_defect_in_the_master_refuses_at_once_and_it_goes_on_answering(guarded: Guarded) -> None:
    async def admit(presented: LoginData) -> Grant:
        if presented.name == "shop":
            raise ZeroDivisionError
        return await anyone(presented)

    await guarded.callout(admit)
    with capture_logs() as logs, pytest.raises(Unauthenticated):  # refused: one that nobody answers is `Unavailable`
        await guarded.connect("shop")
    assert {entry["event"] for entry in logs if entry["log_level"] == "error"} == {"callout.broke"}
    assert (await guarded.connect("blog")).connection.is_up


async def test_one_that_is_slow_to_decide_holds_up_no_other(guarded: Guarded) -> None:
    release = asyncio.Event()

    async def admit(presented: LoginData) -> Grant:
        if presented.name == "slow":
            await release.wait()
        return await anyone(presented)

    await guarded.callout(admit)
    slow = asyncio.create_task(guarded.connect("slow"))
    for number in range(5):
        await guarded.connect(f"n{number}")
    release.set()
    await slow


async def test_a_request_that_its_server_has_not_signed_is_ignored(guarded: Guarded) -> None:
    asked, genuine = list[LoginData](), list[bytes]()

    async def admit(presented: LoginData) -> Grant:
        asked.append(presented)
        return await anyone(presented)

    async def watch(message: Incoming) -> None:
        genuine.append(message.data)

    another = await guarded.bus(seed=guarded.keys.auth)
    await another.connection.subscribe(SUBJECT, watch)
    callout = await guarded.callout(admit)
    await guarded.connect("shop")
    head, body, signature = genuine[0].split(b".")
    forged = base64.urlsafe_b64encode(nkeys.from_seed(guarded.keys.issuer.encode()).sign(head + b"." + body))
    answers = await listen(another, "forged")
    with capture_logs() as logs:
        for data in (b"", b"no token", head + b".e30." + signature, head + b"." + body + b"." + forged.rstrip(b"=")):
            await callout._answer(Msg(Client(), subject=SUBJECT, reply="forged", data=data))
    assert [entry["event"] for entry in logs] == ["callout.malformed"]  # one line for all of them
    await callout._answer(Msg(Client(), subject=SUBJECT, reply="forged", data=genuine[0]))
    await eventually(lambda: len(answers) == 1)
    assert len(asked) == 2


async def test_nobody_but_the_server_may_ask_the_masters_who_gets_in(guarded: Guarded) -> None:
    asked = list[LoginData]()

    async def admit(presented: LoginData) -> Grant:
        asked.append(presented)
        return await anyone(presented)

    await guarded.callout(admit)
    buses = [await guarded.bus(seed=guarded.keys.auth), await guarded.master(), await guarded.connect("shop")]
    with capture_logs() as logs:
        for bus in buses:
            await bus.connection.publish(SUBJECT, b"{}")
            await bus.connection.barrier()
    assert len(asked) == 1
    refused = [entry["reason"] for entry in logs if "permissions violation for publish" in entry.get("reason", "")]
    assert len(refused) == 2  # in FLEET it may be said, and nobody hears it
    assert all(entry["event"] == "connection.error" for entry in logs)


async def test_a_token_that_expires_ends_the_connection_and_the_connection_comes_back_with_a_new_one(
    guarded: Guarded,
) -> None:
    async def admit(presented: LoginData) -> Grant:
        return member(presented.name, None if presented.token == "second" else time.time() + 1.5)

    await guarded.callout(admit)
    shows = Shows("first", "second")
    bus = await guarded.bus("shop", credential=shows)
    bus.connection.on_down(shows.next)
    await eventually(lambda: bus.connection.reconnects == 1 and bus.connection.is_up)
    assert (shows.shown, shows.refusals) == (["first", "second"], 0)


async def test_renewals_under_load_lose_nothing_and_double_nothing(guarded: Guarded) -> None:
    await guarded.callout()
    shows = Shows(*(f"token-{number}" for number in range(6)))
    shop, master = await guarded.bus("shop", credential=shows), await guarded.master()
    got, renewed, sent = list[int](), asyncio.Event(), 0

    async def hear(message: Incoming) -> None:
        got.append(int(message.data))

    await shop.connection.subscribe("fleet.deliver.shop", hear, queue="shop")
    await shop.connection.barrier()

    async def speak() -> None:
        nonlocal sent
        while not renewed.is_set():
            await master.connection.publish("fleet.deliver.shop", str(sent).encode())
            sent += 1
            if sent % 10 == 0:
                await asyncio.sleep(0)

    speaking = asyncio.create_task(speak())
    for _ in range(5):
        shows.next()
        await shop.connection.renew()
        heard = len(got)
        await eventually(lambda heard=heard: len(got) > heard)  # type: ignore[misc]  # bound by default on purpose
    renewed.set()
    await speaking
    await eventually(lambda: len(got) >= sent)
    await shop.connection.barrier()
    assert sorted(got) == list(range(sent))
    assert shows.shown == [f"token-{number}" for number in range(6)]
    assert shop.connection.reconnects == 0


async def test_everybody_is_back_after_kill_9_of_the_broker(guarded: Guarded) -> None:
    await guarded.callout()
    shop, master = await guarded.connect("shop"), await guarded.master()
    heard = await listen(master, "fleet.hb.*")
    kill(guarded.broker)
    await eventually(lambda: all(bus.connection.reconnects > 0 and bus.connection.is_up for bus in (shop, master)))
    await shop.publish("fleet.hb.shop", NodeList())
    await eventually(lambda: len(heard) == 1)


async def test_a_broker_stops_at_once_though_some_wait_to_be_let_in(guarded: Guarded) -> None:
    waiting = [asyncio.create_task(guarded.connect(f"n{number}", first_answer_s=30.0)) for number in range(10)]

    async def all_have_come() -> bool:
        return await _connections(guarded) == 10

    await eventually(all_have_come)
    await guarded.broker.stop()
    for told in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(told, Unavailable)
        assert "nobody checks" not in told.message  # so it was the stop that ended it, not its time


async def _connections(guarded: Guarded) -> int:
    """How many the server has, let in or not, but for the one that asks."""
    system = await guarded.system()
    answer = await system.ask("$SYS.REQ.SERVER.PING.VARZ", b"{}", 5.0)
    await system.close()
    total: int = msgspec.json.decode(answer.data)["data"]["connections"]
    return total - 1
