"""In a running master every part publishes to the one hub, and all subscribers are in one list."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import fleetfold_master
from fleetfold_master.events import (
    CacheCleared,
    CollectionChanged,
    Event,
    EventHub,
    JobEnded,
    KeysChanged,
    NodeChanged,
    NodeDown,
    NodeJoined,
    NodeRemoved,
    NodeStateChanged,
    NodeUp,
    SessionsChanged,
    TransactionEnded,
    event_types,
)
from fleetfold_shared.messages import NodeUpdate, StepSpec
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What the hubs of all masters publish from now on; ask for it before the fleet."""
    published, publish = list[Event](), EventHub.publish

    def noted(self: EventHub, event: Event) -> None:
        published.append(event)
        publish(self, event)

    monkeypatch.setattr(EventHub, "publish", noted)
    return published


async def test_what_happens_in_a_fleet_is_published_by_its_master(published: list[Event], fleet: Fleet) -> None:
    await fleet.start_child("shop", {"docs": None})
    documents = [{"id": "1", "text": "a tent"}]
    await fleet.client.run("index", {"collection": "docs", "documents": documents}, nodes=["shop"], id="j1")
    await fleet.client.nodes.update(NodeUpdate(node="shop", state="maintenance"))
    await fleet.client.nodes.update(NodeUpdate(node="shop", state="active"))
    step = StepSpec(name="one", node="shop", action="doze", params={"seconds": 0})
    await fleet.client.transact([step], id="t1", name="a nap")
    await fleet.client.cache.clear()
    await fleet.new_key("ann", "viewer")
    await fleet.stop_child("shop")
    await eventually(lambda: NodeDown("shop", stopped=True) in published)
    await fleet.client.nodes.remove("shop")
    kinds = {type(event) for event in published}
    assert {
        CacheCleared, CollectionChanged, JobEnded, KeysChanged, NodeChanged, NodeDown, NodeJoined, NodeRemoved,
        NodeStateChanged, NodeUp, SessionsChanged, TransactionEnded,
    } <= kinds  # fmt: skip
    ended = [event for event in published if isinstance(event, JobEnded | TransactionEnded)]
    assert [each.job if isinstance(each, JobEnded) else each.tx for each in ended] == ["j1", "t1"]
    assert [event.state for event in published if isinstance(event, NodeStateChanged)] == ["maintenance", "active"]


def test_every_event_is_published_by_some_part_of_the_master() -> None:
    kinds = {name for name, each in inspect.getmembers(event_types, inspect.isclass) if issubclass(each, Event)}
    made = set[str]()
    for file in Path(fleetfold_master.__file__).parent.rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call))
        made |= {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    assert kinds - made == {"Event"}
