"""The standing pull: everything arrives, whatever happens to the broker and its store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream import topology
from fleetfold_broker.jetstream.confirmed_publisher import ConfirmedPublisher
from fleetfold_broker.jetstream.pull_consumer import BATCH, NotYet, PullConsumer
from fleetfold_broker.jetstream.topology import MASTERS, RESULTS, Topology
from fleetfold_broker.rpc.pipeline import Call, Handler
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.messages import CommandResult, decode
from support.broker import Connect, emptied, jetstream, kill, queued
from support.wait import eventually

Pull = Callable[[Handler], Awaitable[PullConsumer]]


@pytest.fixture
async def streams(master: Bus) -> Topology:
    made = Topology(master)
    await made.ensure_streams()
    return made


@pytest.fixture
async def pull(streams: Topology, master: Bus) -> AsyncIterator[Pull]:
    started: list[PullConsumer] = []

    async def pull(handler: Handler) -> PullConsumer:
        started.append(PullConsumer(master, RESULTS, MASTERS, handler))
        await started[-1].start()
        await master.connection.barrier()
        return started[-1]

    yield pull
    for one in started:
        await one.stop(grace_s=0)


class _Got:
    """A handler that keeps the ids it got; fails for those in `failing`, once each."""

    def __init__(self, *failing: str) -> None:
        self.ids: list[str] = []
        self.failing = set(failing)

    async def __call__(self, call: Call) -> None:
        assert call.subject == "fleet.res.shop"
        id_ = decode(call.body, CommandResult).id
        self.ids.append(id_)
        if id_ in self.failing:
            self.failing.remove(id_)
            raise Unavailable("the database is being restarted")


@pytest.fixture
async def kept(connect: Connect) -> ConfirmedPublisher:
    """What the shop has to say, over a connection of its own."""
    kept = ConfirmedPublisher(await connect("shop"))
    await kept.start()
    return kept


async def _say(kept: ConfirmedPublisher, *ids: str) -> None:
    gate = asyncio.Semaphore(100)

    async def one(id_: str) -> None:
        result = CommandResult(id=id_, attempt=1, epoch=0, outcome="ok")
        async with gate:
            await kept.publish("fleet.res.shop", result, 60.0)

    await asyncio.gather(*(one(id_) for id_ in ids))


def _ids(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last)]


async def test_everything_arrives_once_and_is_acked(master: Bus, kept: ConfirmedPublisher, pull: Pull) -> None:
    got = _Got()
    await pull(got)
    await _say(kept, *_ids(0, 3 * BATCH))
    await emptied(master, RESULTS)
    assert sorted(got.ids) == sorted(_ids(0, 3 * BATCH))


async def test_no_more_is_asked_for_than_can_be_handled(
    master: Bus, kept: ConfirmedPublisher, streams: Topology, pull: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetfold_broker.jetstream.pull_consumer.BATCH", 16)
    monkeypatch.setattr("fleetfold_broker.jetstream.pull_consumer.MOST_AT_ONCE", 40)
    await _say(kept, *_ids(0, 300))
    got, inside, most, go_on = _Got(), 0, 0, asyncio.Event()

    async def slow(call: Call) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await go_on.wait()
        await got(call)
        inside -= 1

    await pull(slow)
    await eventually(lambda: inside >= 40)
    go_on.set()
    await emptied(master, RESULTS)
    assert sorted(got.ids) == sorted(_ids(0, 300))
    assert most < 40 + 2 * 16


async def test_what_was_stored_before_the_start_arrives(
    master: Bus, kept: ConfirmedPublisher, streams: Topology, pull: Pull
) -> None:
    await _say(kept, "early")
    got = _Got()
    await pull(got)
    await emptied(master, RESULTS)
    assert got.ids == ["early"]


async def test_everything_arrives_across_kill_9_of_the_broker(
    broker: EmbeddedBroker, master: Bus, kept: ConfirmedPublisher, pull: Pull
) -> None:
    got = _Got()
    await pull(got)
    saying = asyncio.create_task(_say(kept, *_ids(0, 500)))
    await eventually(lambda: len(got.ids) > 50)
    kill(broker)
    await saying
    await eventually(lambda: set(got.ids) == set(_ids(0, 500)))
    await _say(kept, "after")
    await eventually(lambda: "after" in got.ids)
    assert master.connection.reconnects == 1


async def test_everything_arrives_across_the_loss_of_the_stream(
    master: Bus, kept: ConfirmedPublisher, streams: Topology, pull: Pull
) -> None:
    got = _Got()
    await pull(got)
    await _say(kept, "before")
    await emptied(master, RESULTS)
    await jetstream(master, f"STREAM.DELETE.{RESULTS}")
    assert await streams.ensure_streams()
    await _say(kept, "after")
    await emptied(master, RESULTS)
    assert got.ids == ["before", "after"]


async def test_everything_arrives_across_the_loss_of_the_consumer(
    master: Bus, kept: ConfirmedPublisher, streams: Topology, pull: Pull
) -> None:
    got = _Got()
    await pull(got)
    await jetstream(master, f"CONSUMER.DELETE.{RESULTS}.{MASTERS}")
    await _say(kept, "meanwhile")
    await streams.ensure_streams()
    await emptied(master, RESULTS)
    assert got.ids == ["meanwhile"]


async def test_renewals_lose_nothing_and_double_nothing(master: Bus, kept: ConfirmedPublisher, pull: Pull) -> None:
    got = _Got()
    await pull(got)
    saying = asyncio.create_task(_say(kept, *_ids(0, 2000)))
    for _ in range(5):
        await master.connection.renew()
    await saying
    await emptied(master, RESULTS)
    assert sorted(got.ids) == sorted(_ids(0, 2000))


async def test_what_was_not_handled_comes_again(
    master: Bus, kept: ConfirmedPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "ACK_WAIT_S", 1)
    await Topology(master).ensure_streams()
    got = _Got("bad")
    pull = PullConsumer(master, RESULTS, MASTERS, got)
    await pull.start()
    await _say(kept, "good", "bad")
    await emptied(master, RESULTS)
    assert sorted(got.ids) == ["bad", "bad", "good"]
    await pull.stop()


async def test_one_slow_message_holds_up_no_other(master: Bus, kept: ConfirmedPublisher, pull: Pull) -> None:
    release, got = asyncio.Event(), list[str]()

    async def handle(call: Call) -> None:
        if decode(call.body, CommandResult).id == "slow":
            await release.wait()
        got.append(decode(call.body, CommandResult).id)

    await pull(handle)
    await _say(kept, "slow")
    await _say(kept, "quick")
    await eventually(lambda: got == ["quick"])
    release.set()
    await emptied(master, RESULTS)


async def test_one_that_has_stopped_takes_nothing_more(
    master: Bus, kept: ConfirmedPublisher, pull: Pull, connect: Connect
) -> None:
    got, others = _Got(), _Got()
    stopped = await pull(got)
    await stopped.stop()
    await master.connection.barrier()
    await _say(kept, "later")
    assert await queued(master, RESULTS) == 1
    other = PullConsumer(await connect("master"), RESULTS, MASTERS, others)
    await other.start()
    await emptied(master, RESULTS)
    assert (got.ids, others.ids) == ([], ["later"])
    await other.stop()


async def test_one_that_has_stopped_stays_so_over_a_reconnect(
    broker: EmbeddedBroker, master: Bus, kept: ConfirmedPublisher, pull: Pull
) -> None:
    got = _Got()
    await (await pull(got)).stop()
    kill(broker)
    await eventually(lambda: master.connection.reconnects == 1 and master.connection.is_up)
    await _say(kept, "later")
    await master.connection.barrier()
    assert got.ids == []
    assert await queued(master, RESULTS) == 1


async def test_two_masters_share_the_work(master: Bus, kept: ConfirmedPublisher, pull: Pull, connect: Connect) -> None:
    mine, its = _Got(), _Got()
    await pull(mine)
    other = PullConsumer(await connect("master"), RESULTS, MASTERS, its)
    await other.start()
    await _say(kept, *_ids(0, 1500))
    await emptied(master, RESULTS)
    assert sorted(mine.ids + its.ids) == sorted(_ids(0, 1500))
    await other.stop()


async def test_each_message_is_a_call_of_its_sender_and_counted_by_its_end(
    master: Bus, kept: ConfirmedPublisher, streams: Topology
) -> None:
    calls: list[Call] = []

    async def handle(call: Call) -> None:
        calls.append(call)
        match decode(call.body, CommandResult).id:
            case "early" if len(calls) == 1:
                raise NotYet("between two masters")
            case "bad":
                raise Unavailable("the database is being restarted")

    pull = PullConsumer(
        master, RESULTS, MASTERS, handle, verb="result", caller=lambda subject: master.subjects.token(subject, 1)
    )
    await pull.start()
    await _say(kept, "early")
    await eventually(lambda: pull.exits.total() == 2)
    await _say(kept, "bad")
    await eventually(lambda: pull.exits.total() == 3)
    assert pull.exits == {"not_yet": 1, "handled": 1, "unavailable": 1}
    assert {(call.verb, call.identity) for call in calls} == {("result", "shop")}
    await pull.stop()
