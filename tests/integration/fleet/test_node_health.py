"""Nodes whose index or ledger fails, as the fleet sees them; a changed interval; stopped nodes; versions; grants."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fleetfold.search_request import SearchOptions
from fleetfold_child.node import health
from fleetfold_master.events import Event
from fleetfold_master.master import Master
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound, Unavailable
from fleetfold_shared.messages import NodeUpdate, StepSpec
from support.inprocess import HEARTBEAT_S, Fleet, fleet, gateway_of, statuses
from support.wait import eventually

__all__ = ["fleet"]

DOCS = [{"id": "1", "text": "tent"}]


@pytest.fixture(autouse=True)
def each_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the checks run at each heartbeat."""
    monkeypatch.setattr(health, "EVERY_HEARTBEATS", 1)


async def pair(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: DOCS})
    await fleet.start_child("blog", {"posts": lambda: DOCS})


async def becomes(fleet: Fleet, name: str, state: str) -> None:
    async def is_so() -> bool:
        return (await fleet.client.nodes.get(name)).state == state

    await eventually(is_so)


async def reason(fleet: Fleet, name: str) -> str:
    """Why the last search lacks the node."""
    found = await fleet.client.search("tent", options=SearchOptions(cache="off"))
    return next(one.error or "" for one in found.nodes if one.node == name)


async def test_a_node_whose_table_is_gone_is_in_error_and_comes_back_by_itself(fleet: Fleet, tmp_path: Path) -> None:
    await pair(fleet)
    table, away = tmp_path / "shop" / "lance" / "products.lance", tmp_path / "away"
    table.rename(away)
    await becomes(fleet, "shop", "error")
    node = await fleet.client.nodes.get("shop")
    assert (node.presence, node.healthy, node.failing) == ("up", False, ["index"])
    assert "lance/products.lance in the node's data cannot be read (files are missing)" in node.reason
    assert node.since is not None
    found = await fleet.client.search("tent")
    assert (statuses(found), found.partial) == ({"shop": "error", "blog": "ok"}, True)
    assert await reason(fleet, "shop") == f"the node is in the state error: {node.reason}"
    assert (await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])).state == "ok"
    away.rename(table)
    await becomes(fleet, "shop", "active")
    assert statuses(await fleet.client.search("tent")) == {"shop": "ok", "blog": "ok"}


async def test_a_node_whose_ledger_is_gone_gets_no_commands_until_it_is_back(fleet: Fleet, tmp_path: Path) -> None:
    await pair(fleet)
    file, away = tmp_path / "shop" / "node.db", tmp_path / "away.db"
    file.rename(away)
    await becomes(fleet, "shop", "error")
    assert (await fleet.client.nodes.get("shop")).failing == ["ledger"]
    with pytest.raises(InvalidInput, match=r"'shop' is in the state error: ledger: node\.db .* \(it is missing\)"):
        await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])
    job = await fleet.client.run("doze", {"seconds": 0}, nodes="all")
    assert [task.node for task in job.nodes] == ["blog"]
    away.rename(file)
    await becomes(fleet, "shop", "active")
    assert (await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])).state == "ok"


async def test_a_node_in_error_and_maintenance_stays_in_maintenance(fleet: Fleet, tmp_path: Path) -> None:
    await pair(fleet)
    file, away = tmp_path / "shop" / "node.db", tmp_path / "away.db"
    file.rename(away)
    await becomes(fleet, "shop", "error")
    node = await fleet.client.nodes.update(NodeUpdate(node="shop", state="maintenance"))
    assert (node.state, node.reason) == ("maintenance", "set by tester")
    away.rename(file)
    assert (await fleet.client.nodes.get("shop")).state == "maintenance"
    await fleet.client.nodes.update(NodeUpdate(node="shop", state="active"))
    await becomes(fleet, "shop", "active")


@pytest.mark.parametrize("other_s", [HEARTBEAT_S / 4, HEARTBEAT_S * 4])
async def test_a_changed_interval_reaches_running_nodes_and_none_is_lost(fleet: Fleet, other_s: float) -> None:
    await pair(fleet)
    changes: list[Event] = []
    for interval_s in (other_s, HEARTBEAT_S):
        await fleet.stop_master()
        fleet.master = Master(
            fleet.broker.url, data=fleet.place / "master", heartbeat_s=interval_s, keys=fleet.place / "keys"
        )
        await fleet.master.start()
        presence = gateway_of(fleet.master)._presence
        presence._publish = changes.append

        async def told() -> bool:
            return {node.heartbeat_s for node in await fleet.client.nodes.list()} == {interval_s}  # noqa: B023

        await eventually(told)
        beaten = {name: child._node._heartbeats._seq for name, child in fleet.children.items() if child._node}

        def heartbeat() -> bool:
            return all(
                child._node is not None and child._node._heartbeats._seq >= beaten[name] + 4  # noqa: B023
                for name, child in fleet.children.items()
            )

        await eventually(heartbeat)
    assert changes == []


async def test_a_stopped_node_is_missing_only_where_it_is_wanted(fleet: Fleet) -> None:
    await pair(fleet)
    await fleet.stop_child("blog")
    assert (await fleet.client.nodes.get("blog")).presence == "stopped"
    whole = await fleet.client.search("tent")
    assert (statuses(whole), whole.partial, whole.coverage) == ({"shop": "ok", "blog": "stopped"}, False, 1.0)
    assert (await fleet.client.search("tent")).cached
    named = await fleet.client.search("tent", nodes=["shop", "blog"])
    assert (statuses(named), named.partial) == ({"shop": "ok", "blog": "stopped"}, True)
    demanded = await fleet.client.search("tent", options=SearchOptions(partial="require"))
    assert (demanded.partial, demanded.cached) == (True, False)
    with pytest.raises(Unavailable, match=r"the answer lacks blog \(it has said goodbye\)"):
        await fleet.client.search("tent", options=SearchOptions(partial="fail"))
    alone = await fleet.client.search("tent", collections=["posts"])
    assert (statuses(alone), alone.partial) == ({"shop": "no_collection", "blog": "stopped"}, True)
    chosen = await fleet.client.search("tent", nodes="auto")
    assert (statuses(chosen), chosen.partial) == ({"shop": "ok", "blog": "stopped"}, False)


async def test_a_stopped_node_that_starts_again_is_searched_again(fleet: Fleet) -> None:
    await pair(fleet)
    await fleet.stop_child("blog")
    await fleet.client.search("tent")
    await fleet.start_child("blog", {"posts": lambda: DOCS})
    assert statuses(await fleet.client.search("tent")) == {"shop": "ok", "blog": "ok"}
    assert (await fleet.client.nodes.get("blog")).presence == "up"


async def test_a_retired_node_is_in_no_answer(fleet: Fleet) -> None:
    await pair(fleet)
    await fleet.stop_child("blog")
    await fleet.client.nodes.remove("blog")
    found = await fleet.client.search("tent", options=SearchOptions(partial="fail"))
    assert statuses(found) == {"shop": "ok"}


async def test_an_incompatible_node_is_told_why_it_is_not_asked(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    await fleet.start_child("blog", {"posts": lambda: DOCS})
    monkeypatch.setattr("fleetfold.child.__version__", "7.3.0")
    with capture_logs() as said:
        await fleet.start_child("shop", {"products": lambda: DOCS})
    node = await fleet.client.nodes.get("shop")
    assert node.state == "incompatible"
    assert "the node runs fleetfold 7.3.0, the masters " in node.reason
    assert [one["reason"] for one in said if one["event"] == "node.is_not_asked"] == [node.reason]
    found = await fleet.client.search("tent", options=SearchOptions(cache="off"))
    assert (statuses(found), found.partial) == ({"blog": "ok", "shop": "error"}, True)
    assert node.reason in await reason(fleet, "shop")
    with pytest.raises(Conflict, match="cannot be made active: the node runs fleetfold"):
        await fleet.client.nodes.update(NodeUpdate(node="shop", state="active"))
    with pytest.raises(InvalidInput, match="'shop' is incompatible: the node runs fleetfold"):
        await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])
    await fleet.stop_child("shop")
    monkeypatch.undo()
    await fleet.start_child("shop", {"products": lambda: DOCS})
    assert statuses(await fleet.client.search("tent", options=SearchOptions(cache="off"))) == {
        "blog": "ok",
        "shop": "ok",
    }


async def test_a_node_of_no_version_is_refused_by_name(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold.child.__version__", "latest")
    with pytest.raises(InvalidInput, match="version: 'latest' is no version"):
        await fleet.start_child("shop")
    assert await fleet.client.nodes.list() == []


async def test_what_was_granted_is_known_and_what_a_node_has_besides(fleet: Fleet) -> None:
    invited = await fleet.client.nodes.invite("shop", only=("search", "events", "api"))
    with capture_logs() as logs:
        await fleet.start_child("shop", {"products": lambda: DOCS}, join=invited.token)
    [told] = [entry for entry in logs if entry["event"] == "child.not_granted"]
    node = await fleet.client.nodes.get("shop")
    assert node.granted is not None
    assert set(node.granted) == {"search", "events", "api"}
    assert told["withheld"] == node.description.withheld
    assert node.description.withheld["actions"] > 0
    assert [one.granted for one in await fleet.client.nodes.list()] == [node.granted]
    refused = pytest.raises(NotFound, match=r"none; \d+ were not granted to it ")
    with refused:
        await fleet.client.run("reserve", nodes=["shop"])
    with refused:
        await fleet.client.transact([StepSpec(name="a", node="shop", action="reserve")])


async def test_labels_are_added_and_removed_and_taken_back(fleet: Fleet) -> None:
    await fleet.start_child("shop", labels={"zone": "eu"})
    update = fleet.client.nodes.update
    node = await update(NodeUpdate(node="shop", labels={"tier": "1"}))
    assert node.description.labels == {"zone": "eu", "tier": "1"}
    assert node.label_sources == {"zone": "node", "tier": "operator"}
    assert (await update(NodeUpdate(node="shop", unlabel=["zone"]))).description.labels == {"tier": "1"}
    await fleet.stop_master()
    await fleet.start_master()
    assert (await fleet.client.nodes.get("shop")).description.labels == {"tier": "1"}
    assert [one.name for one in await fleet.client.nodes.list(where="tier=1 and not zone")] == ["shop"]
    assert (await update(NodeUpdate(node="shop", labels_from_node=True))).description.labels == {"zone": "eu"}
