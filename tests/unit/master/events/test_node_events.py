"""What happens to nodes is published once, by the part that knows, when it has happened."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from fleetfold_master.events import (
    BreakerClosed,
    BreakerOpened,
    CollectionChanged,
    Event,
    NodeChanged,
    NodeDown,
    NodeJoined,
    NodeRemoved,
    NodeStateChanged,
    NodeUp,
)
from fleetfold_master.nodes import Breakers, Presence, Registry
from fleetfold_master.nodes.breakers import MOST_S, OPENS_AFTER
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.nodes.presence import MISSED_HEARTBEATS
from fleetfold_master.search import CollectionVersions
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.messages import CollectionInfo, Heartbeat, NodeDescription, NodeUpdate, Problem

VERSION = "1.4.0"
HEARTBEAT_S = 5.0
INDEX_BROKE = Problem("index", "the index is damaged")


class Rows:
    """A store of nodes in memory, whose rows another master may write too."""

    def __init__(self) -> None:
        self.by_name: dict[str, StoredNode] = {}

    async def put(self, record: StoredNode, *fields: str) -> None:
        there = self.by_name.get(record.name)
        if there is not None and fields:
            record = replace(there, **{name: getattr(record, name) for name in fields})
        self.by_name[record.name] = record

    async def get(self, name: str) -> StoredNode | None:
        return self.by_name.get(name)

    async def list(self, *, removed: bool = False) -> list[StoredNode]:
        return list(self.by_name.values())


class Room:
    """A registry, and what it and its presence have published."""

    def __init__(self, rows: Rows | None = None) -> None:
        self.clock, self.published, self.rows = ManualClock(), list[Event](), rows or Rows()
        self.presence = Presence(self.clock, HEARTBEAT_S, self.published.append)
        self.registry = Registry(
            self.rows, self.presence, self.clock, VERSION, publish=self.published.append, announce=self.announce  # type: ignore[arg-type]
        )  # fmt: skip

    async def announce(self, event: Event) -> None:
        self.published.append(event)

    async def join(self, incarnation: str = "i1") -> None:
        await self.registry.join("shop", NodeDescription(incarnation=incarnation, version=VERSION), _nobody)

    def heartbeat(self, *problems: Problem, leaving: bool = False) -> None:
        description = NodeDescription(incarnation="i1", version=VERSION)
        heartbeat = Heartbeat(seq=1, description=description, problems=list(problems), leaving=leaving)
        assert self.registry.heard("shop", heartbeat) == "ok"

    def take(self) -> list[Event]:
        """What was published since the last call."""
        taken = self.published.copy()
        self.published.clear()
        return taken


async def _nobody(_name: str) -> None:
    return None


@pytest.fixture
async def room() -> Room:
    room = Room()
    await room.join()
    room.take()
    return room


async def test_a_node_that_joins_is_published_with_its_incarnation() -> None:
    room = Room()
    await room.join("i1")
    assert room.take() == [NodeUp("shop"), NodeJoined("shop", "i1", fresh=True)]
    await room.join("i1")
    assert room.take() == [NodeJoined("shop", "i1", fresh=False)]
    await room.join("i2")
    assert room.take() == [NodeJoined("shop", "i2", fresh=True)]


async def test_a_silent_node_is_down_once_and_up_at_its_next_heartbeat(room: Room) -> None:
    for _ in range(3):
        room.clock.advance(HEARTBEAT_S * MISSED_HEARTBEATS + 1)
        room.presence.sweep()
    assert room.take() == [NodeDown("shop")]
    room.heartbeat()
    room.heartbeat()
    assert room.take() == [NodeUp("shop")]


async def test_a_node_that_says_goodbye_is_down_because_it_has_stopped(room: Room) -> None:
    room.heartbeat(leaving=True)
    room.presence.sweep()
    assert room.take() == [NodeDown("shop", stopped=True)]


async def test_what_a_node_reports_of_itself_changes_its_state_once_and_back(room: Room) -> None:
    room.heartbeat(INDEX_BROKE)
    room.heartbeat(INDEX_BROKE)
    await room.registry.save()
    assert room.take() == [NodeStateChanged("shop", "active", "error", "the index is damaged")]
    room.heartbeat()
    assert room.take() == [NodeStateChanged("shop", "error", "active", "")]


async def test_an_operators_change_is_published_when_it_is_written(room: Room) -> None:
    await room.registry.update(NodeUpdate(node="shop", state="maintenance"), "ann")
    assert room.rows.by_name["shop"].state == "maintenance"
    assert room.take() == [NodeStateChanged("shop", "active", "maintenance", "set by ann"), NodeChanged("shop")]
    await room.registry.update(NodeUpdate(node="shop", title="The shop"), "ann")
    assert room.take() == [NodeChanged("shop")]


async def test_a_removed_node_is_down_and_removed(room: Room) -> None:
    await room.registry.remove("shop")
    assert room.take() == [NodeDown("shop"), NodeRemoved("shop")]


async def test_a_pending_node_that_is_approved_is_a_changed_node() -> None:
    room = Room()
    room.registry.pending.add("shop", NodeDescription(incarnation="i1", version=VERSION), 1.0)
    assert room.take() == []
    await room.registry.approve("shop")
    assert room.take() == [NodeChanged("shop")]


async def test_what_another_master_has_written_is_not_published_again(room: Room) -> None:
    other = Room(room.rows)
    await other.registry.load()
    await other.registry.update(NodeUpdate(node="shop", state="maintenance"), "ann")
    await room.registry.reload("shop")
    assert room.registry.get("shop").state == "maintenance"
    assert room.take() == []


def test_a_breaker_opens_once_and_closes_once() -> None:
    clock, published = ManualClock(), list[Event]()
    breakers = Breakers(lambda _: 1, clock, random.Random(1), published.append)
    for _ in range(OPENS_AFTER + 3):
        clock.advance(0.01)
        breakers.failed("shop", 0.005, "no answer in time")
    assert published == [BreakerOpened("shop", OPENS_AFTER, "no answer in time")]
    clock.advance(MOST_S)
    for _ in range(2):
        breakers.answered("shop")
    assert published[1:] == [BreakerClosed("shop")]


def test_a_breaker_of_a_node_that_was_started_again_is_closed() -> None:
    clock, published, lives = ManualClock(), list[Event](), [1]
    breakers = Breakers(lambda _: lives[-1], clock, random.Random(1), published.append)
    for _ in range(OPENS_AFTER):
        clock.advance(0.01)
        breakers.failed("shop", 0.005, "no answer in time")
    lives.append(2)
    assert [breakers.state("shop") for _ in range(2)] == ["closed", "closed"]
    assert published[1:] == [BreakerClosed("shop")]


def test_a_breaker_that_never_opened_does_not_close() -> None:
    published = list[Event]()
    breakers = Breakers(lambda _: 1, ManualClock(), random.Random(1), published.append)
    breakers.failed("shop", 0.005, "no answer in time")
    breakers.answered("shop")
    assert published == []


def test_each_rise_of_a_collection_is_published_once_and_the_first_report_is_none() -> None:
    published = list[Event]()
    versions = CollectionVersions(published.append)
    description = NodeDescription(
        incarnation="i1", version=VERSION, collections=[CollectionInfo(name="docs", documents=1, epoch=7)]
    )
    versions.described("shop", description)
    versions.described("shop", description)
    assert published == []
    for epoch in (8, 8, 7, 9):
        versions.record("shop", "i1", {"docs": epoch})
    versions.record("shop", "i2", {"docs": 99})  # another process, which has not been heard of
    assert published == [CollectionChanged("shop", "docs", 8), CollectionChanged("shop", "docs", 9)]
    versions.record("blog", "b1", {"docs": 3})
    assert len(published) == 2
