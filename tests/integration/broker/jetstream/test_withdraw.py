"""Commands that are taken out of a node's queue before they are delivered."""

from __future__ import annotations

import asyncio
import time

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.jetstream.topology import COMMANDS, Topology
from fleetfold_shared.concurrency import batches
from fleetfold_shared.messages import Command
from support.broker import jetstream, queued
from support.wait import eventually


@pytest.fixture
async def streams(master: Bus) -> Topology:
    made = Topology(master)
    await made.ensure_streams()
    await made.ensure_nodes({"shop": 1, "blog": 1})
    return made


async def _send(bus: Bus, *ids: str, node: str = "shop", attempt: int = 1) -> None:
    for batch in batches(ids, 500):
        await asyncio.gather(*(
            bus.publish_durably(f"fleet.cmd.{node}", Command(id=each, attempt=attempt, action="x"), f"{each}#{attempt}")
            for each in batch
        ))  # fmt: skip


async def _deliver(bus: Bus, count: int, *, ack: bool = False) -> list[Incoming]:
    """A node that takes `count` of its commands."""
    heard: list[Incoming] = []

    async def hear(message: Incoming) -> None:
        heard.append(message)
        if ack:
            await bus.connection.publish(message.reply, b"+ACK")

    end = await bus.connection.subscribe("fleet.deliver.shop", hear, "shop")
    await eventually(lambda: len(heard) >= count)
    await end()
    await bus.connection.barrier()
    return heard


async def test_what_was_not_delivered_is_taken_out_and_nothing_else(master: Bus, streams: Topology) -> None:
    await _send(master, "a", "b", "c")
    await _send(master, "b", attempt=2)
    await _send(master, "b2", node="blog")
    assert await streams.withdraw("shop", {"b", "b2", "z"}) == {"b"}
    assert await queued(master, COMMANDS) == 3
    assert await streams.withdraw("shop", {"b"}) == set()
    assert [message.data for message in await _deliver(master, 2, ack=True)] == [
        b'{"id":"a","attempt":1,"action":"x"}', b'{"id":"c","attempt":1,"action":"x"}'
    ]  # fmt: skip


async def test_what_was_delivered_is_left_to_the_node_or_taken_from_one_that_is_away(
    master: Bus, streams: Topology
) -> None:
    await _send(master, "a", "b", "c", "d")
    await _deliver(master, 2)
    assert await streams.withdraw("shop", {"a", "b", "c"}) == {"c"}
    assert await queued(master, COMMANDS) == 3
    assert await streams.withdraw("shop", {"a", "d"}, delivered_too=True) == {"d"}
    assert await queued(master, COMMANDS) == 1


async def test_a_later_attempt_alone_proves_nothing(master: Bus, streams: Topology) -> None:
    await _send(master, "a", attempt=2)
    assert await streams.withdraw("shop", {"a"}) == set()
    assert await queued(master, COMMANDS) == 0


async def test_only_what_was_stored_lately_is_looked_at(master: Bus, streams: Topology) -> None:
    await _send(master, "a")
    assert await streams.withdraw("shop", {"a"}, time.time() + 60) == set()
    assert await streams.withdraw("shop", {"a"}, time.time() - 60) == {"a"}


async def test_a_stream_of_an_earlier_release_can_be_read_too(master: Bus, streams: Topology) -> None:
    config = (await jetstream(master, f"STREAM.INFO.{COMMANDS}"))["config"]
    await jetstream(master, f"STREAM.UPDATE.{COMMANDS}", **{**config, "allow_direct": False})
    await Topology(master).ensure_streams()
    await _send(master, "a")
    assert await streams.withdraw("shop", {"a"}) == {"a"}


async def test_a_long_queue_is_read_in_batches(master: Bus, streams: Topology) -> None:
    ids = [f"c{number}" for number in range(3000)]
    await _send(master, *ids)
    assert await streams.withdraw("shop", {*ids[::2], "z"}) == set(ids[::2])
    assert await queued(master, COMMANDS) == 1500
