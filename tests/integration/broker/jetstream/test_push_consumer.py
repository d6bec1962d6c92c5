"""Durable commands: stored once, delivered until they are acked, and never the bus's last word on what happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from fleetfold_broker import bus
from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream import delivery_acks, topology
from fleetfold_broker.jetstream.push_consumer import PushConsumer
from fleetfold_broker.jetstream.topology import COMMANDS, Topology
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.errors import Overloaded, TooLarge, Unavailable
from fleetfold_shared.messages import Command
from support.broker import Connect, Execute, command_consumer, emptied, jetstream, kill, listen, queued
from support.wait import eventually

SUBJECT = "fleet.cmd.shop"
ACKS = f"$JS.ACK.{COMMANDS}.shop.>"
Deliver = Callable[[Execute], Awaitable[PushConsumer]]


@pytest.fixture
async def streams(master: Bus) -> Topology:
    made = Topology(master)
    await made.ensure_streams()
    return made


@pytest.fixture
async def shop(connect: Connect) -> Bus:
    return await connect("shop")


@pytest.fixture
async def deliver(streams: Topology, shop: Bus) -> AsyncIterator[Deliver]:
    """Has the shop's commands handled, and stops that in the end."""
    started: list[PushConsumer] = []

    async def deliver(handler: Execute) -> PushConsumer:
        await streams.ensure_node("shop", 8)
        started.append(command_consumer(shop, "shop", handler))
        await started[-1].start()
        await shop.connection.barrier()
        return started[-1]

    yield deliver
    for one in started:
        await one.stop(grace_s=0)


def _command(id_: str = "a") -> Command:
    return Command(id=id_, attempt=1, action="reindex")


async def _send(master: Bus, id_: str = "a", timeout_s: float = 10.0) -> None:
    await master.publish_durably(SUBJECT, _command(id_), f"{id_}#1", timeout_s)


async def test_a_command_is_handled_and_acked_once(master: Bus, deliver: Deliver) -> None:
    acks, handled, ages = await listen(master, ACKS), list[Command](), list[float]()

    async def handle(command: Command, age_s: float) -> None:
        handled.append(command)
        ages.append(age_s)

    await deliver(handle)
    await _send(master)
    await emptied(master, COMMANDS)
    assert handled == [_command()]
    assert [ack.data for ack in acks] == [b"+ACK"]
    assert 0 <= ages[0] < 10


async def test_the_age_of_a_command_counts_from_when_it_was_stored(
    master: Bus, deliver: Deliver, streams: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, ages = time.time(), list[float]()
    monkeypatch.setattr(time, "time", lambda: now + 3600)

    async def handle(command: Command, age_s: float) -> None:
        ages.append(age_s)

    await deliver(handle)
    await _send(master)
    await eventually(lambda: len(ages) == 1)
    assert 3590 < ages[0] < 3610


async def test_what_was_not_finished_comes_again_when_the_node_is_back(
    master: Bus, deliver: Deliver, streams: Topology
) -> None:
    tries = list[str]()

    async def handle(command: Command, age_s: float) -> None:
        tries.append(command.id)
        if len(tries) == 1:
            raise Unavailable("the database is being restarted")

    await deliver(handle)
    await _send(master)
    await eventually(lambda: tries == ["a"])
    assert await queued(master, COMMANDS) == 1
    await streams.redeliver("shop")
    await emptied(master, COMMANDS)
    assert tries == ["a", "a"]


async def test_a_node_that_can_finish_nothing_says_so_in_one_line(
    master: Bus, deliver: Deliver, streams: Topology
) -> None:
    tries = list[str]()

    async def handle(command: Command, age_s: float) -> None:
        tries.append(command.id)
        raise Unavailable("no space left on device")

    with capture_logs() as logs:
        await deliver(handle)
        await _send(master, "a")
        await _send(master, "b")
        await eventually(lambda: sorted(tries) == ["a", "b"])
    assert [(log["event"], log["command"]) for log in logs] == [("delivery.not_finished", tries[0])]


async def test_a_defect_in_the_handler_is_no_ack(master: Bus, deliver: Deliver, streams: Topology) -> None:
    tries = list[str]()

    async def handle(command: Command, age_s: float) -> None:
        tries.append(command.id)
        if len(tries) == 1:
            raise ZeroDivisionError

    await deliver(handle)
    await _send(master)
    await eventually(lambda: tries == ["a"])
    assert await queued(master, COMMANDS) == 1
    await streams.redeliver("shop")
    await emptied(master, COMMANDS)


async def test_an_unacked_command_comes_again_by_itself(
    master: Bus, monkeypatch: pytest.MonkeyPatch, shop: Bus
) -> None:
    monkeypatch.setattr(topology, "ACK_WAIT_S", 1)
    streams = Topology(master)
    await streams.ensure_streams()
    await streams.ensure_node("shop", 8)
    taken: list[object] = []

    async def take(message: object) -> None:
        taken.append(message)

    await shop.connection.subscribe("fleet.deliver.shop", take, "shop")
    await shop.connection.barrier()
    await _send(master)
    await eventually(lambda: len(taken) == 2)


async def test_a_long_command_is_kept_from_coming_again(
    master: Bus, shop: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "ACK_WAIT_S", 1)
    monkeypatch.setattr(delivery_acks, "ACK_WAIT_S", 1)
    streams, release, started = Topology(master), asyncio.Event(), list[str]()
    await streams.ensure_streams()
    await streams.ensure_node("shop", 8)

    async def handle(command: Command, age_s: float) -> None:
        started.append(command.id)
        await release.wait()

    acks = await listen(master, ACKS)
    running = command_consumer(shop, "shop", handle)
    await running.start()
    await _send(master)
    await eventually(lambda: [ack.data for ack in acks].count(b"+WPI") == 6)  # twice as long as an ack is waited for
    release.set()
    await emptied(master, COMMANDS)
    assert started == ["a"]
    await running.stop()


async def test_a_long_command_stays_in_progress_over_a_broken_connection(
    broker: EmbeddedBroker, master: Bus, shop: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_acks, "ACK_WAIT_S", 0.1)
    streams, release = Topology(master), asyncio.Event()
    await streams.ensure_streams()
    await streams.ensure_node("shop", 8)

    async def handle(command: Command, age_s: float) -> None:
        await release.wait()

    acks = await listen(master, ACKS)
    running = command_consumer(shop, "shop", handle)
    await running.start()
    publish, failed = shop.connection.publish, asyncio.Event()

    async def break_once(subject: str, data: bytes, *rest: object) -> None:
        if data == b"+WPI" and not failed.is_set():
            failed.set()
            raise Unavailable("the connection broke while sending")
        await publish(subject, data, *rest)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(shop.connection, "publish", break_once)
    await _send(master)
    await failed.wait()
    await eventually(lambda: b"+WPI" in [ack.data for ack in acks])
    release.set()
    await emptied(master, COMMANDS)
    await running.stop()


async def test_copies_of_a_long_command_are_acked_at_once_and_the_first_stays_stored(
    master: Bus, deliver: Deliver
) -> None:
    release, started = asyncio.Event(), list[int]()

    async def handle(command: Command, age_s: float) -> None:
        started.append(command.attempt)
        await release.wait()

    await deliver(handle)
    for attempt in range(1, 41):  # more than the consumer lets out at once
        copy = Command(id="a", attempt=attempt, action="reindex")
        await master.publish_durably(SUBJECT, copy, f"a#{attempt}")
    await _send(master, "b")
    await eventually(lambda: len(started) == 2)  # the other one is not kept waiting
    assert started[0] == 1
    await emptied(master, COMMANDS, left=2)
    release.set()
    await emptied(master, COMMANDS)


async def test_a_long_command_that_comes_again_after_an_outage_is_handled_once(
    broker: EmbeddedBroker, master: Bus, shop: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "ACK_WAIT_S", 1)  # and nobody says in that time that it is still being worked at
    streams, release, started = Topology(master), asyncio.Event(), list[str]()
    await streams.ensure_streams()
    await streams.ensure_node("shop", 8)
    delivered = await listen(master, "fleet.deliver.shop")

    async def handle(command: Command, age_s: float) -> None:
        started.append(command.id)
        await release.wait()

    running = command_consumer(shop, "shop", handle)
    await running.start()
    await _send(master)
    await eventually(lambda: len(delivered) >= 2)
    assert await queued(master, COMMANDS) == 1
    release.set()
    await emptied(master, COMMANDS)
    assert started == ["a"]
    await running.stop()


async def test_a_malformed_command_is_taken_out_of_the_queue(master: Bus, deliver: Deliver) -> None:
    acks, handled = await listen(master, ACKS), list[str]()

    async def handle(command: Command, age_s: float) -> None:
        handled.append(command.id)

    await deliver(handle)
    for body in (b"not JSON", b'{"id":"a"}', b'{"id":"a","attempt":1,"action":"x","v":9}'):
        await master.ask(SUBJECT, body, 10.0)
    await _send(master, "good")
    await emptied(master, COMMANDS)
    assert handled == ["good"]
    verdicts = sorted(ack.data.split(b" ", 2)[:2] for ack in acks)  # the reason follows
    assert verdicts == [[b"+ACK"], [b"+TERM", b"-"], [b"+TERM", b"a"], [b"+TERM", b"a"]]


async def test_a_command_that_is_not_utf8_is_taken_out_of_the_queue_too(master: Bus, deliver: Deliver) -> None:
    async def handle(command: Command, age_s: float) -> None:
        raise AssertionError

    await deliver(handle)
    await master.ask(SUBJECT, b'{"id":"\xff","attempt":1,"action":"x"}', 10.0)
    await emptied(master, COMMANDS)


async def test_a_node_gets_no_more_at_once_than_it_can_take(master: Bus, deliver: Deliver) -> None:
    running, most, release = 0, 0, asyncio.Event()

    async def handle(command: Command, age_s: float) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1

    await deliver(handle)
    await asyncio.gather(*(_send(master, str(number)) for number in range(40)))
    await eventually(lambda: running == 16)
    info = await jetstream(master, f"CONSUMER.INFO.{COMMANDS}.shop")
    assert (info["num_ack_pending"], info["num_pending"]) == (16, 24)
    release.set()
    await emptied(master, COMMANDS)
    assert most == 16


async def test_a_node_that_stops_takes_nothing_new_and_finishes_what_runs(master: Bus, deliver: Deliver) -> None:
    entered, release, handled = asyncio.Event(), asyncio.Event(), list[str]()

    async def handle(command: Command, age_s: float) -> None:
        entered.set()
        await release.wait()
        handled.append(command.id)

    node = await deliver(handle)
    await _send(master, "first")
    await entered.wait()
    stopping = asyncio.create_task(node.stop())
    await master.connection.barrier()
    await asyncio.sleep(0)
    await _send(master, "second")
    release.set()
    await stopping
    await master.connection.barrier()
    assert handled == ["first"]
    assert await queued(master, COMMANDS) == 1


async def test_two_nodes_do_not_get_each_others_commands(
    master: Bus, deliver: Deliver, streams: Topology, connect: Connect
) -> None:
    blog, at_shop, at_blog = await connect("blog"), list[str](), list[str]()

    async def handle(command: Command, age_s: float) -> None:
        at_shop.append(command.id)

    async def handle_at_blog(command: Command, age_s: float) -> None:
        at_blog.append(command.id)

    await deliver(handle)
    await streams.ensure_node("blog", 8)
    other = command_consumer(blog, "blog", handle_at_blog)
    await other.start()
    await _send(master, "to-shop")
    await master.publish_durably("fleet.cmd.blog", _command("to-blog"), "to-blog#1")
    await emptied(master, COMMANDS)
    assert (at_shop, at_blog) == (["to-shop"], ["to-blog"])
    await other.stop()


async def test_the_same_message_id_is_stored_once(master: Bus, streams: Topology) -> None:
    for _ in range(3):
        await _send(master)
    await master.publish_durably(SUBJECT, _command(), "a#2")
    assert await queued(master, COMMANDS) == 2


async def test_a_publisher_waits_for_the_stream_and_says_when_it_gives_up(master: Bus) -> None:
    with pytest.raises(Unavailable, match=r"fleet\.cmd\.shop could not be stored within 0\.05 s: nobody answers there"):
        await _send(master, timeout_s=0.05)
    sending = asyncio.create_task(_send(master))
    await master.connection.barrier()
    await Topology(master).ensure_streams()
    await sending
    assert await queued(master, COMMANDS) == 1


async def test_a_publisher_keeps_its_own_timeout_when_the_broker_hangs(
    master: Bus, streams: Topology, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    await jetstream(master, f"STREAM.DELETE.{COMMANDS}")
    await listen(await connect("deaf"), "fleet.cmd.>")  # takes what is published and never answers
    monkeypatch.setattr(bus, "STORED_WITHIN_S", 3600.0)  # a try of that length would not end in this test
    with pytest.raises(Unavailable, match=r"could not be stored within 0\.1 s"):
        await _send(master, timeout_s=0.1)


async def test_what_is_published_during_kill_9_is_stored_once(
    broker: EmbeddedBroker, master: Bus, streams: Topology
) -> None:
    kill(broker)
    await asyncio.gather(*(_send(master, str(number), 30.0) for number in range(50)))
    assert await queued(master, COMMANDS) == 50


async def test_a_body_that_is_too_large_is_refused_and_not_tried_again(master: Bus, streams: Topology) -> None:
    with pytest.raises(TooLarge):
        await master.publish_durably(SUBJECT, Command(id="a", attempt=1, action="x" * 1_048_576), "a#1")
    assert master.connection.reconnects == 0


async def test_a_dead_node_fills_its_own_queue_and_no_other(master: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology, "MOST_QUEUED_PER_NODE", 3)
    await Topology(master).ensure_streams()
    for number in range(3):
        await _send(master, str(number))
    with pytest.raises(Overloaded, match=r"the queue fleet\.cmd\.shop is full"):
        await _send(master, "one too many")
    await master.publish_durably("fleet.cmd.blog", _command(), "b#1")
    assert await queued(master, COMMANDS) == 4


async def test_each_delivery_is_counted_by_its_one_end(master: Bus, shop: Bus, streams: Topology) -> None:
    await streams.ensure_node("shop", 8)
    entered, release = asyncio.Event(), asyncio.Event()

    async def handle(command: Command, age_s: float) -> None:
        entered.set()
        await release.wait()
        if command.id == "b":
            raise Unavailable("the database is being restarted")

    running = command_consumer(shop, "shop", handle)
    await running.start()
    await shop.connection.barrier()
    await _send(master)
    await entered.wait()
    await master.publish_durably(SUBJECT, _command(), "a#2")
    await master.ask(SUBJECT, b"not JSON", 10.0)
    await _send(master, "b")
    await emptied(master, COMMANDS, left=2)
    release.set()
    exits = running._acks.exits
    await eventually(lambda: exits.total() == 4)
    assert exits == {"ended": 1, "redelivered": 1, "invalid_input": 1, "not_ended": 1}
    await running.stop()
