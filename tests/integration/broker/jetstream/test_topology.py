"""Streams and consumers: made when missing, made again when lost, forgotten when a node goes."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream.topology import ABANDONED, COMMANDS, EVENTS, MASTERS, RESULTS, Topology
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_broker.subjects import Subjects
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import InvalidInput, Overloaded, Unavailable
from fleetfold_shared.messages import Command, NodeList
from support.broker import Connect, jetstream, kill, queued
from support.wait import eventually


@pytest.fixture
async def streams(master: Bus) -> Topology:
    made = Topology(master)
    await made.ensure_streams()
    return made


async def _config(bus: Bus, stream: str) -> dict[str, object]:
    config: dict[str, object] = (await jetstream(bus, f"STREAM.INFO.{stream}"))["config"]
    return config


async def _consumers(bus: Bus) -> set[str]:
    return set((await jetstream(bus, f"CONSUMER.NAMES.{COMMANDS}"))["consumers"] or [])


async def test_the_streams_are_as_the_design_has_them(master: Bus, streams: Topology) -> None:
    commands, results, events = [await _config(master, name) for name in (COMMANDS, RESULTS, EVENTS)]
    for queue in (commands, results):
        assert (queue["retention"], queue["storage"], queue["discard"]) == ("workqueue", "file", "new")
    assert (commands["discard_new_per_subject"], commands["max_msgs_per_subject"]) == (True, 250_000)
    assert (events["retention"], events["storage"], events["max_age"]) == ("limits", "file", 7 * 86_400 * 10**9)
    abandoned = await _config(master, ABANDONED)
    assert (abandoned["retention"], abandoned["discard"], abandoned["max_msgs"]) == ("workqueue", "old", 10_000)
    assert [c["max_bytes"] for c in (commands, results, events)] == [2 * 1024**3, 512 * 1024**2, 512 * 1024**2]
    assert events["discard"] == "old"
    assert [c["subjects"] for c in (commands, results, events)] == [["fleet.cmd.*"], ["fleet.res.*"], ["fleet.evt.*.>"]]


async def test_a_nodes_consumer_is_as_the_design_has_it(master: Bus, streams: Topology) -> None:
    await streams.ensure_node("shop", 16)
    config = (await jetstream(master, f"CONSUMER.INFO.{COMMANDS}.shop"))["config"]
    assert config["deliver_subject"] == "fleet.deliver.shop"
    assert config["deliver_group"] == "shop"
    assert config["filter_subject"] == "fleet.cmd.shop"
    assert (config["ack_policy"], config["ack_wait"]) == ("explicit", 10 * 10**9)
    assert (config["max_deliver"], config["max_ack_pending"]) == (-1, 32)


async def test_a_nodes_concurrency_may_change(master: Bus, streams: Topology) -> None:
    await streams.ensure_node("shop", 16)
    await streams.ensure_node("shop", 2)
    assert (await jetstream(master, f"CONSUMER.INFO.{COMMANDS}.shop"))["config"]["max_ack_pending"] == 4


async def test_making_it_again_changes_nothing(master: Bus, streams: Topology, connect: Connect) -> None:
    await master.publish_durably("fleet.cmd.shop", Command(id="a", attempt=1, action="x"), "a#1")
    second = Topology(await connect("master"))
    assert not await streams.ensure_streams()
    assert not await second.ensure_streams()
    assert not await second.ensure_streams()
    assert await queued(master, COMMANDS) == 1


async def test_masters_that_start_together_make_the_streams_together(connect: Connect) -> None:
    masters = [Topology(await connect("master")) for _ in range(4)]
    assert await asyncio.gather(*(each.ensure_streams() for each in masters)) == [False] * 4


async def test_the_streams_and_their_messages_outlive_kill_9(
    broker: EmbeddedBroker, master: Bus, streams: Topology
) -> None:
    await master.publish_durably("fleet.cmd.shop", Command(id="a", attempt=1, action="x"), "a#1")
    kill(broker)
    await eventually(lambda: master.connection.reconnects == 1 and master.connection.is_up)
    assert not await streams.ensure_streams()
    assert await queued(master, COMMANDS) == 1


@pytest.mark.parametrize("stream", [COMMANDS, RESULTS, EVENTS])
async def test_a_lost_stream_is_made_again_and_reported_once(master: Bus, streams: Topology, stream: str) -> None:
    await jetstream(master, f"STREAM.DELETE.{stream}")
    assert await streams.ensure_streams()
    assert not await streams.ensure_streams()
    await _config(master, stream)


async def test_the_masters_shared_consumer_is_made_again_too(master: Bus, streams: Topology) -> None:
    await jetstream(master, f"CONSUMER.DELETE.{RESULTS}.{MASTERS}")
    assert not await streams.ensure_streams()
    await jetstream(master, f"CONSUMER.INFO.{RESULTS}.{MASTERS}")


async def test_a_lost_consumer_is_made_again_with_its_nodes_concurrency(master: Bus, streams: Topology) -> None:
    fleet = {"shop": 16, "blog": 4}
    await streams.ensure_nodes(fleet)
    await jetstream(master, f"CONSUMER.DELETE.{COMMANDS}.blog")
    await streams.ensure_nodes(fleet)
    assert await _consumers(master) == {"shop", "blog"}
    assert (await jetstream(master, f"CONSUMER.INFO.{COMMANDS}.blog"))["config"]["max_ack_pending"] == 8


async def test_a_node_that_is_forgotten_leaves_nothing_and_takes_nothing_else(master: Bus, streams: Topology) -> None:
    await streams.ensure_nodes({"shop": 16, "blog": 4})
    for node in ("shop", "blog"):
        await master.publish_durably(f"fleet.cmd.{node}", Command(id=node, attempt=1, action="x"), f"{node}#1")
    await streams.forget_node("shop")
    await streams.forget_node("shop")
    assert await _consumers(master) == {"blog"}
    assert await queued(master, COMMANDS) == 1


async def test_forgetting_a_node_needs_no_stream(master: Bus) -> None:
    await Topology(master).forget_node("shop")


async def test_a_consumer_without_its_stream_is_refused_by_name(master: Bus) -> None:
    with pytest.raises(Unavailable, match=r"CONSUMER\.CREATE\.FLEET_CMD\.shop.*stream not found"):
        await Topology(master).ensure_node("shop", 1)


async def test_a_broker_without_jetstream_is_told_what_it_lacks(master: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = master.ask

    async def elsewhere(subject: str, data: bytes, timeout_s: float) -> object:
        return await ask(subject.replace("$JS.", "$NOBODY."), data, timeout_s)

    monkeypatch.setattr(master, "ask", elsewhere)
    with pytest.raises(Unavailable, match="no JetStream: enable it"):
        await Topology(master).ensure_streams()


async def test_two_fleets_with_prefixes_of_their_own_cannot_share_the_streams_unnoticed(broker: EmbeddedBroker) -> None:
    async with await Bus.connect(broker.url, "master", Subjects("other")) as bus:
        await Topology(bus).ensure_streams()
        assert (await _config(bus, COMMANDS))["subjects"] == ["other.cmd.*"]


async def test_a_fleet_may_have_more_nodes_than_a_page_of_names(master: Bus, streams: Topology) -> None:
    fleet = dict.fromkeys((f"n{number}" for number in range(1030)), 1)
    await asyncio.gather(*(streams.ensure_node(node, 1) for node in fleet))
    made = list[str]()

    async def ensure_node(node: str, concurrency: int) -> None:
        made.append(node)

    streams.ensure_node = ensure_node  # type: ignore[method-assign]  # to see that none is thought to be missing
    await streams.ensure_nodes(fleet)
    assert made == []
    await master.publish("fleet.hb.n1", NodeList())


LITTLE = LimitsConfig(commands_bytes=1024**2, results_bytes=2 * 1024**2, events_bytes=3 * 1024**2)


async def _limits(bus: Bus) -> list[object]:
    return [(await _config(bus, name))["max_bytes"] for name in (COMMANDS, RESULTS, EVENTS)]


async def test_streams_that_are_there_get_the_limits_of_the_master_that_started_last(
    master: Bus, streams: Topology
) -> None:
    await master.publish_durably("fleet.cmd.shop", Command(id="a", attempt=1, action="x"), "a#1")
    assert not await Topology(master, LITTLE).ensure_streams()
    assert await _limits(master) == [1024**2, 2 * 1024**2, 3 * 1024**2]
    assert not await streams.ensure_streams()  # one that goes on leaves them so
    assert await _limits(master) == [1024**2, 2 * 1024**2, 3 * 1024**2]
    assert await queued(master, COMMANDS) == 1


async def test_a_full_queue_refuses_what_is_new_and_the_oldest_events_give_way(master: Bus) -> None:
    await Topology(master, LITTLE).ensure_streams()
    big = Command(id="a", attempt=1, action="x", params={"p": "x" * 300_000})
    for number in range(3):
        await master.publish_durably("fleet.cmd.shop", big, f"a#{number}")
    with pytest.raises(Overloaded, match="maximum bytes exceeded"):
        await master.publish_durably("fleet.cmd.shop", big, "a#3")
    assert await queued(master, COMMANDS) == 3
    for number in range(20):
        await master.connection.publish(f"fleet.evt.shop.e{number}", b"x" * 300_000)
    await master.connection.barrier()

    async def newest() -> bool:
        state = (await jetstream(master, f"STREAM.INFO.{EVENTS}"))["state"]
        return bool(state["last_seq"] == 20 and state["messages"] == 10)

    await eventually(newest)


async def test_a_disk_without_room_for_the_limit_has_none_and_that_is_said_once(master: Bus) -> None:
    vast = Topology(master, LimitsConfig(events_bytes=1024**5))
    with capture_logs() as logs:
        for _ in range(3):
            await vast.ensure_streams()
    said = [entry for entry in logs if entry["event"] == "topology.no_room"]
    assert [(entry["stream"], entry["bytes"]) for entry in said] == [(EVENTS, 1024**5)]
    assert (await _config(master, EVENTS))["max_bytes"] == -1


async def test_copies_that_a_single_server_cannot_keep_are_refused_by_the_settings_name(master: Bus) -> None:
    with pytest.raises(
        InvalidInput, match=r"limits\.replicas: the broker is one server that is in no cluster"
    ) as caught:
        await Topology(master, LimitsConfig(replicas=3)).ensure_streams()
    assert caught.value.field == "limits.replicas"
