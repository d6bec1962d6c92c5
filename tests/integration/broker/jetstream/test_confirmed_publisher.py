"""Durable words of those who may not speak to JetStream: they are said when the broker has stored them, not before."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec
import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection import supervised as supervised
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.jetstream import confirmed_publisher as words
from fleetfold_broker.jetstream.confirmed_publisher import ConfirmedPublisher
from fleetfold_broker.jetstream.topology import RESULTS, Topology
from fleetfold_broker.rpc.headers import CONFIRM
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import TooLarge, Unavailable
from fleetfold_shared.messages import CommandResult
from support.broker import jetstream, kill, listen, queued
from support.guarded import Guarded
from support.wait import eventually

SUBJECT = "fleet.res.shop"
Keep = Callable[[str], Awaitable[ConfirmedPublisher]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "BACKOFF", replace(supervised.BACKOFF, max_s=0.1))


@pytest.fixture
async def master(guarded: Guarded) -> Bus:
    await guarded.callout()
    return await guarded.master()


@pytest.fixture
async def streams(master: Bus) -> Topology:
    streams = Topology(master)
    await streams.ensure_streams()
    return streams


@pytest.fixture
def keep(guarded: Guarded) -> Keep:
    async def keep(name: str) -> ConfirmedPublisher:
        kept = ConfirmedPublisher(await guarded.connect(name))
        await kept.start()
        await kept._bus.connection.barrier()
        return kept

    return keep


def _result(id_: str = "a") -> CommandResult:
    return CommandResult(id=id_, attempt=1, epoch=0, outcome="ok")


async def test_it_returns_when_it_is_stored(master: Bus, streams: Topology, keep: Keep) -> None:
    kept = await keep("shop")
    for number in range(3):
        await kept.publish(SUBJECT, _result(str(number)))
        assert await queued(master, RESULTS) == number + 1
    assert not kept._open


async def test_many_at_once_are_stored_once_each(master: Bus, streams: Topology, keep: Keep) -> None:
    shop, blog = await keep("shop"), await keep("blog")
    saying = [shop.publish(SUBJECT, _result(str(n))) for n in range(500)]
    saying += [blog.publish("fleet.res.blog", _result(str(n))) for n in range(500)]
    await asyncio.gather(*saying)
    assert await queued(master, RESULTS) == 1000


async def test_what_is_said_during_kill_9_is_stored(
    guarded: Guarded, master: Bus, streams: Topology, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "STORED_WITHIN_S", 60.0)  # so that it is the lost connection that ends a try
    kept = await keep("shop")
    await kept.publish(SUBJECT, _result("before"))
    os.kill(guarded.broker.pid or 0, signal.SIGSTOP)
    lost = asyncio.create_task(kept.publish(SUBJECT, _result("lost"), 30.0))
    await eventually(lambda: len(kept._open) == 1 or lost.done())  # the signal may come late, and a word be stored
    kill(guarded.broker)
    await lost
    await asyncio.gather(*(kept.publish(SUBJECT, _result(str(n)), 30.0) for n in range(50)))
    await eventually(lambda: master.connection.is_up)
    assert await queued(master, RESULTS) >= 52


async def test_what_is_said_while_the_stream_is_wiped_is_stored_in_the_next(
    master: Bus, streams: Topology, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "STORED_WITHIN_S", 0.2)
    kept = await keep("shop")
    heard = await listen(master, "fleet.res.*")
    await jetstream(master, f"STREAM.DELETE.{RESULTS}")
    saying = asyncio.create_task(kept.publish(SUBJECT, _result()))
    await eventually(lambda: len(heard) > 0)
    assert not saying.done()
    assert await streams.ensure_streams()
    await saying
    assert await queued(master, RESULTS) == 1


async def test_it_says_when_it_gives_up(master: Bus, keep: Keep) -> None:
    kept = await keep("shop")
    with pytest.raises(Unavailable, match=r"^fleet\.res\.shop could not be stored within 0\.1 s$"):
        await kept.publish(SUBJECT, _result(), 0.1)
    assert not kept._open


async def test_it_gives_up_in_time_while_the_connection_is_down(guarded: Guarded, master: Bus, keep: Keep) -> None:
    kept = await keep("shop")
    await guarded.broker.stop()
    await eventually(lambda: not kept._bus.connection.is_up)
    with pytest.raises(Unavailable, match="could not be stored"):
        await kept.publish(SUBJECT, _result(), 0.2)


async def test_what_is_too_large_is_refused_and_not_tried_again(master: Bus, streams: Topology, keep: Keep) -> None:
    kept = await keep("shop")
    with pytest.raises(TooLarge):
        await kept.publish(SUBJECT, CommandResult(id="x" * 1_048_576, attempt=1, epoch=0, outcome="ok"))
    assert kept._bus.connection.is_up


async def test_another_node_cannot_say_that_it_is_stored(
    guarded: Guarded, master: Bus, streams: Topology, keep: Keep
) -> None:
    """Not even with the number that is waited for: the broker makes the confirmation's subject from the sender's."""
    shop, blog = await keep("shop"), await guarded.connect("blog")
    heard, said = await listen(master, "fleet.res.shop"), await listen(master, "fleet.confirm.>")
    await jetstream(master, f"STREAM.DELETE.{RESULTS}")
    saying = asyncio.create_task(shop.publish(SUBJECT, _result(), 1.0))
    await eventually(lambda: len(heard) > 0)
    number = (heard[0].headers or {})[CONFIRM]
    await streams.ensure_streams()
    await blog.connection.publish("fleet.res.blog", b"{}", headers={CONFIRM: number})
    await blog.connection.publish("fleet.confirm.shop", b"", headers={CONFIRM: number})
    await blog.connection.publish("fleet.res.blog", b"{}", "fleet.confirm.shop", headers={CONFIRM: number})
    await blog.connection.barrier()
    await eventually(lambda: len(said) == 2)
    assert [message.subject for message in said] == ["fleet.confirm.blog"] * 2
    assert not saying.done()
    saying.cancel()
    await asyncio.gather(saying, return_exceptions=True)


async def test_the_confirmation_carries_no_body(guarded: Guarded, master: Bus, streams: Topology) -> None:
    shop = await guarded.connect("shop")
    heard: list[Incoming] = await listen(shop, "fleet.confirm.shop")
    await shop.connection.publish(SUBJECT, b"x" * 1000, headers={CONFIRM: "7"})
    await eventually(lambda: len(heard) == 1)
    assert (heard[0].data, (heard[0].headers or {})[CONFIRM]) == (b"", "7")


async def test_what_finds_the_stream_full_is_said_again_until_there_is_room(
    master: Bus, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "STORED_WITHIN_S", 0.05)
    await Topology(master, LimitsConfig(results_bytes=1024**2)).ensure_streams()
    shop, blog = await keep("shop"), await keep("blog")
    filling = CommandResult(id="a", attempt=1, epoch=0, outcome="ok", result="x" * 300_000)
    for _ in range(3):
        await blog.publish("fleet.res.blog", filling)
    tries = await listen(master, SUBJECT)
    saying = asyncio.create_task(shop.publish(SUBJECT, msgspec.structs.replace(filling, id="b"), timeout_s=60.0))
    await eventually(lambda: len(tries) >= 3)
    assert not saying.done()
    await jetstream(master, f"STREAM.PURGE.{RESULTS}", filter="fleet.res.blog")
    await saying
    assert await queued(master, RESULTS) >= 1
