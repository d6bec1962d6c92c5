"""The connection: it mends itself for ever, hears again what it heard, and is renewed without losing or doubling
anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from nats.aio.client import Client

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection import supervised as supervised
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.connection.supervised import SupervisedConnection
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import NodeList, Pong
from support.broker import Connect, Respond, kill, listen
from support.listener import listening
from support.wait import eventually

LONG_S = 30.0
Count = Callable[[], int]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "BACKOFF", replace(supervised.BACKOFF, max_s=0.1))


async def _mended(*buses: Bus) -> None:
    await eventually(lambda: all(bus.connection.reconnects > 0 and bus.connection.is_up for bus in buses))


async def test_what_was_heard_is_heard_again_after_kill_9(
    broker: EmbeddedBroker, master: Bus, connect: Connect
) -> None:
    shop = await connect("shop")
    heard, told = await listen(shop, "fleet.call.shop.>"), list[str]()
    shop.connection.on_down(lambda: told.append("down"))

    async def up() -> None:
        told.append("up")

    shop.connection.on_up(up)
    kill(broker)
    await _mended(master, shop)
    await master.publish("fleet.call.shop.ping", NodeList())
    await eventually(lambda: len(heard) == 1)
    assert told == ["down", "up"]


async def test_a_connection_that_breaks_while_much_waits_to_be_sent_is_mended_too(
    broker: EmbeddedBroker, master: Bus
) -> None:
    async def send_much() -> None:
        for _ in range(100):  # more than the sockets hold, so that the last of it stays here
            await master.connection.publish("fleet.deliver.shop", bytes(1_000_000))
            await asyncio.sleep(0)

    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    client, sending = master.connection.client, asyncio.create_task(send_much())
    await eventually(lambda: client.pending_data_size > 1_000_000)
    kill(broker)
    await _mended(master)
    assert client.is_closed
    await asyncio.gather(sending, return_exceptions=True)


async def test_open_requests_fail_at_once_when_the_connection_breaks(
    broker: EmbeddedBroker, master: Bus, connect: Connect
) -> None:
    shop = await connect("shop")
    questions = await listen(shop, "fleet.call.shop.ping")
    asking = [asyncio.create_task(master.ask("fleet.call.shop.ping", b"{}", LONG_S)) for _ in range(10)]
    await eventually(lambda: len(questions) == 10)
    kill(broker)
    for told in await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), 10):
        assert isinstance(told, Unavailable)
        assert "broke before the answer came" in told.message


async def test_while_it_is_down_everything_says_so(broker: EmbeddedBroker, master: Bus) -> None:
    await broker.stop()
    await eventually(lambda: not master.connection.is_up)
    for attempt in (
        master.publish("fleet.hb.shop", NodeList()),
        master.ask("fleet.call.shop.ping", b"", LONG_S),
        master.connection.barrier(),
        master.connection.renew(),
    ):
        with pytest.raises(Unavailable, match="out of reach; the connection keeps trying"):
            await attempt
    assert not await master.connection.wait_up(0.01)


async def test_requests_go_on_after_kill_9(
    broker: EmbeddedBroker, master: Bus, connect: Connect, respond: Respond
) -> None:
    async def ping(_: object) -> Pong:
        return Pong(incarnation="x")

    shop = await connect("shop")
    await respond(shop, "fleet.call.shop.ping", ping)
    kill(broker)
    await _mended(master, shop)
    assert (await master.request("fleet.call.shop.ping", NodeList(), Pong, LONG_S)).incarnation == "x"


async def test_a_start_without_a_broker_gives_one_clear_line() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Unavailable) as refused:
        await Bus.connect(f"nats://127.0.0.1:{port}", "cli")
    assert refused.value.message.startswith(f"no broker answers at nats://127.0.0.1:{port} (")
    assert "`fleetfold up`" in refused.value.message
    assert "\n" not in refused.value.message


async def test_a_start_at_something_else_than_a_broker_gives_the_same_line() -> None:
    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with listening(hello) as port:
        with pytest.raises(Unavailable, match="no broker answers at"):
            await Bus.connect(f"nats://127.0.0.1:{port}", "cli")


async def test_an_end_to_hearing_holds_over_a_reconnect(broker: EmbeddedBroker, master: Bus, connect: Connect) -> None:
    shop = await connect("shop")
    heard: list[Incoming] = []

    async def hear(message: Incoming) -> None:
        heard.append(message)

    end = await shop.connection.subscribe("fleet.call.shop.a", hear)
    also = await listen(shop, "fleet.call.shop.b")
    await end()
    kill(broker)
    await _mended(master, shop)
    await master.publish("fleet.call.shop.a", NodeList())
    await master.publish("fleet.call.shop.b", NodeList())
    await eventually(lambda: len(also) == 1)
    assert heard == []


@pytest.mark.parametrize("how", ["reconnect", "renewal"])
async def test_what_is_subscribed_while_a_connection_is_made_is_heard_on_it(
    broker: EmbeddedBroker, master: Bus, connect: Connect, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    shop = await connect("shop")
    connect_anew, heard = shop.connection._connect, list[Incoming]()

    async def hear(message: Incoming) -> None:
        heard.append(message)

    async def connect_meanwhile(answer_s: float) -> Client:
        client = await connect_anew(answer_s)
        await shop.connection.subscribe("fleet.call.shop.late", hear)
        return client

    monkeypatch.setattr(shop.connection, "_connect", connect_meanwhile)
    if how == "reconnect":
        kill(broker)
        await _mended(master, shop)
    else:
        await shop.connection.renew()
    await shop.connection.barrier()
    await master.publish("fleet.call.shop.late", NodeList())
    await master.connection.barrier()
    await eventually(lambda: len(heard) == 1)


@pytest.mark.parametrize("renewed", ["who hears", "who speaks"])
async def test_renewals_under_way_lose_nothing_and_double_nothing(master: Bus, connect: Connect, renewed: str) -> None:
    shop, renewals, sent, got = await connect("shop"), asyncio.Event(), 0, list[int]()

    async def hear(message: Incoming) -> None:
        got.append(int(message.data))

    await shop.connection.subscribe("fleet.deliver.shop", hear, queue="shop")
    await shop.connection.barrier()

    async def speak() -> None:
        nonlocal sent
        while sent < 2000 or not renewals.is_set():
            await master.connection.publish("fleet.deliver.shop", str(sent).encode())
            sent += 1
            if sent % 10 == 0:
                await asyncio.sleep(0)

    speaking = asyncio.create_task(speak())
    connection = shop.connection if renewed == "who hears" else master.connection
    for _ in range(5):
        heard = len(got)
        await connection.renew()
        await eventually(lambda heard=heard: len(got) > heard)  # type: ignore[misc]  # bound by default on purpose
    renewals.set()
    await speaking
    await master.connection.barrier()
    await eventually(lambda: len(got) >= sent)
    await shop.connection.barrier()
    assert sorted(got) == list(range(sent))
    assert connection.is_up
    assert connection.reconnects == 0


async def test_requests_under_way_survive_a_renewal_of_either_side(
    master: Bus, connect: Connect, respond: Respond
) -> None:
    together, release = asyncio.Barrier(21), asyncio.Event()

    async def ping(_: object) -> Pong:
        await together.wait()
        await release.wait()
        return Pong(incarnation="x")

    shop = await connect("shop")
    await respond(shop, "fleet.call.shop.ping", ping)
    asking = [asyncio.create_task(master.request("fleet.call.shop.ping", NodeList(), Pong, LONG_S)) for _ in range(20)]
    await together.wait()
    await asyncio.gather(master.connection.renew(), shop.connection.renew())
    release.set()
    assert [answer.incarnation for answer in await asyncio.gather(*asking)] == ["x"] * 20


async def test_the_old_connection_is_gone_after_a_renewal(broker: EmbeddedBroker, master: Bus) -> None:
    old = master.connection.client
    await master.connection.renew()
    assert old.is_closed
    assert master.connection.client is not old
    kill(broker)
    await _mended(master)


async def test_a_connection_lost_during_its_renewal_is_replaced_by_one_not_two(
    broker: EmbeddedBroker, master: Bus, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await connect("shop")
    heard = await listen(shop, "fleet.call.shop.>")
    connect_anew, made = shop.connection._connect, list[Client]()

    async def connect_and_lose_the_old(answer_s: float) -> Client:
        monkeypatch.setattr(shop.connection, "_connect", connect_and_remember)
        made.append(await connect_anew(answer_s))
        await shop.connection.client.close()
        await _mended(shop)
        return made[0]

    async def connect_and_remember(answer_s: float) -> Client:
        made.append(await connect_anew(answer_s))
        return made[-1]

    monkeypatch.setattr(shop.connection, "_connect", connect_and_lose_the_old)
    await shop.connection.renew()
    assert [client for client in made if not client.is_closed] == [shop.connection.client]
    await master.publish("fleet.call.shop.ping", NodeList())
    await master.connection.barrier()
    await shop.connection.barrier()
    assert len(heard) == 1


async def test_a_connection_that_is_closed_stays_closed(
    broker: EmbeddedBroker, connect: Connect, tmp_path: Path
) -> None:
    shop = await connect("shop")
    connection: SupervisedConnection = shop.connection
    await connection.close()
    await connection.close()
    with pytest.raises(Unavailable):
        await connection.publish("fleet.hb.shop", b"")
    assert connection.reconnects == 0


async def test_a_connection_that_is_closed_while_it_connects_ends_though_the_cancellation_is_lost(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As asyncio.wait_for of Python 3.11 does when the connection is refused in the same moment."""
    bus = await Bus.connect(broker.url, "caller")
    connecting = asyncio.Event()

    async def refused(_connection: SupervisedConnection, _answer_s: float) -> None:
        connecting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            monkeypatch.undo()
            raise Unavailable("the connection was refused") from None

    monkeypatch.setattr(SupervisedConnection, "_connect", refused)
    await broker.stop()
    await connecting.wait()
    async with asyncio.timeout(5):
        await bus.close()


def test_a_connection_comes_back_when_it_breaks_with_much_to_send(nats_server: str, tmp_path: Path) -> None:
    """On the daemons' own event loop: uvloop has errors of its own for what is closed."""

    async def strike() -> None:
        broker = EmbeddedBroker(tmp_path)
        await broker.start()
        for _ in range(5):
            async with await Bus.connect(broker.url, "shop") as bus:
                await _chatter_until_killed(broker, bus)
                assert await bus.connection.wait_up(5)
                await asyncio.wait_for(bus.connection.barrier(), 5)
        await broker.stop()

    uvloop.run(strike())


async def test_a_wait_that_is_given_up_does_not_make_the_connection_deaf(connect: Connect) -> None:
    shop, master = await connect("shop"), await connect("master")
    heard = await listen(shop, "x")
    waiting = asyncio.create_task(shop.connection.barrier())
    for _ in range(3):
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await shop.connection.barrier()
    await master.connection.publish("x", b"!")
    await eventually(lambda: bool(heard), 2.0)


async def _chatter_until_killed(broker: EmbeddedBroker, bus: Bus) -> None:
    said = 0

    async def chatter() -> None:
        nonlocal said
        with contextlib.suppress(Unavailable):
            while True:
                for _ in range(50):
                    await bus.connection.publish("x.y", bytes(300))
                    said += 1
                await asyncio.sleep(0)

    chattering = [asyncio.create_task(chatter()) for _ in range(4)]
    await eventually(lambda: said >= 1000)
    kill(broker)
    await asyncio.wait_for(asyncio.gather(*chattering), 5)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_connection_is_cut_from_a_thread_while_the_loop_hangs_and_mends_itself(
    nats_server: str, tmp_path: Path, run: Callable[..., None]
) -> None:
    async def hang_and_cut() -> None:
        broker = EmbeddedBroker(tmp_path)
        await broker.start()
        async with await Bus.connect(broker.url, "one") as one, await Bus.connect(broker.url, "two") as two:
            heard = await listen(one, "x")
            cutting = threading.Thread(target=one.connection.cut)
            cutting.start()
            cutting.join()
            await _mended(one)
            await one.connection.barrier()
            await two.connection.publish("x", b"!")
            await eventually(lambda: bool(heard))
            assert not two.connection.reconnects
        await broker.stop()

    run(hang_and_cut())
