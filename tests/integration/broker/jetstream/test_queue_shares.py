"""One stream for the commands of all nodes: whatever waits for one that is away, there is room for the others."""

from __future__ import annotations

import contextlib

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.jetstream import queue_shares
from fleetfold_broker.jetstream.queue_shares import QueueShares
from fleetfold_broker.jetstream.topology import COMMANDS, Topology
from fleetfold_master.jobs.command_publisher import CommandPublisher
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import Overloaded
from fleetfold_shared.ids import new_id
from fleetfold_shared.messages import Command
from support.broker import Connect, jetstream, queued

MOST = 4 * 1024**2
LIMITS = LimitsConfig(commands_bytes=MOST)


@pytest.fixture(autouse=True)
async def streams(master: Bus) -> Topology:
    made = Topology(master, LIMITS)
    await made.ensure_streams()
    return made


def _command(size: int = 100_000) -> Command:
    return Command(id=new_id(), attempt=1, action="x", params={"p": "x" * size})


async def _fill(sender: CommandPublisher, node: str, most: int = 60) -> int:
    """Send until it is refused; how many were taken."""
    for number in range(most):
        try:
            await sender.send(node, _command())
        except Overloaded as full:
            assert f"the queue fleet.cmd.{node} is full" in full.message  # noqa: PT017
            return number
    return most


async def test_big_commands_for_dead_nodes_leave_room_for_every_other(master: Bus) -> None:
    sender = CommandPublisher(master, limits=LIMITS)
    taken = [await _fill(sender, node) for node in ("dead", "gone", "lost")]
    assert taken[0] in range(19, 22)  # half of what there is, and half of what is left
    assert taken[1:] == [10, 5]
    await sender.send("shop", _command())
    assert await queued(master, COMMANDS) == sum(taken) + 1


async def test_another_master_and_one_that_starts_know_what_waits_already(master: Bus, connect: Connect) -> None:
    first = await _fill(CommandPublisher(master, limits=LIMITS), "dead")
    other = CommandPublisher(await connect("master"), limits=LIMITS)
    assert await _fill(other, "dead") == 0
    await other.send("shop", _command())
    assert await queued(master, COMMANDS) == first + 1


async def test_a_queue_that_was_emptied_takes_as_much_again(
    master: Bus, streams: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_shares, "READ_EVERY_S", 0.0)
    sender = CommandPublisher(master, limits=LIMITS)
    first = await _fill(sender, "shop")
    await streams.forget_node("shop")
    assert await _fill(sender, "shop") == first


async def test_the_figures_are_the_brokers_to_a_tenth(master: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_shares, "READ_EVERY_S", 1e9)
    shares = QueueShares(master, MOST)
    for number in range(200):
        await shares.store("fleet.cmd.shop", b"x" * 500, {"Nats-Msg-Id": f"c{number}#1"}, 5.0)
    held = (await jetstream(master, f"STREAM.INFO.{COMMANDS}"))["state"]["bytes"]
    assert shares._queue("fleet.cmd.shop").held_bytes == pytest.approx(held, rel=0.1)


async def test_what_is_not_stored_is_not_counted(master: Bus) -> None:
    sender = CommandPublisher(master, limits=LIMITS)
    for _ in range(8):
        with contextlib.suppress(Exception):
            await sender.send("shop", _command(1_200_000))  # more than a message may have
    assert not sender._shares._storing
    assert await _fill(sender, "shop") in range(19, 22)
