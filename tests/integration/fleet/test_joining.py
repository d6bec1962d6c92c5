"""Joining and leaving: one living process per name, and a master that may forget everything."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.rpc.scatter_responder import superseded_subject
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_child.node.handlers import Handlers
from fleetfold_shared.config import AccessConfig
from fleetfold_shared.errors import Conflict, NotFound, Unauthenticated, Unavailable
from fleetfold_shared.messages import (
    CommandResult,
    CommandResults,
    Heartbeat,
    NodeUpdate,
    Outcome,
    Pong,
    StepSpec,
    Superseded,
    decode,
)
from support.broker import listen
from support.inprocess import Fleet, fleet, statuses
from support.wait import eventually

__all__ = ["fleet"]

DOCS = [{"id": "1", "text": "tent"}]


async def test_a_node_is_seen_as_it_describes_itself(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: DOCS}, type="shop", labels={"zone": "eu"}, weight=2.0)
    [node] = await fleet.client.nodes.list()
    said = node.description
    assert (node.name, node.state, node.healthy) == ("shop", "active", True)
    assert (said.type, said.labels, said.weight) == ("shop", {"zone": "eu"}, 2.0)
    assert [(one.name, one.documents) for one in said.collections] == [("products", 1)]
    assert {"enter", "index", "sync"} <= {action.name for action in said.actions}
    assert (await fleet.client.nodes.get("shop")).description == said
    stats = await fleet.client.nodes.stats()
    assert (stats.total, stats.healthy, stats.documents, stats.by_type) == (1, 1, 1, {"shop": 1})


async def test_a_ping_is_answered_by_those_who_are_there(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.start_child("blog")
    await fleet.stop_child("blog")
    times = await fleet.client.nodes.ping()
    assert times["blog"] is None
    assert times["shop"] is not None
    assert (await fleet.client.nodes.get("shop")).response_ms is not None
    with pytest.raises(NotFound):
        await fleet.client.nodes.ping("nobody")


async def test_a_master_that_has_lost_its_database_has_living_nodes_join_again(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    fleet = Fleet(broker, tmp_path, BrokerKeys.generate())
    fleet.access = AccessConfig(insecure=True)  # else it has lost who they are, too
    await fleet.start_master()
    fleet.client = await fleet.new_client("tester")
    await fleet.start_child("shop", {"products": lambda: DOCS})
    await fleet.start_child("blog", {"posts": lambda: DOCS})
    await fleet.stop_master()
    await fleet.start_master(data="empty", new=True)

    async def both() -> bool:
        with contextlib.suppress(Unavailable):  # it learns that there was another before, and begins again
            return {node.name for node in await fleet.client.nodes.list() if node.healthy} == {"shop", "blog"}
        return False

    await eventually(both)
    assert statuses(await fleet.client.search("tent")) == {"shop": "ok", "blog": "ok"}
    assert (await fleet.client.run("doze", {"seconds": 0}, nodes="all")).state == "ok"
    await fleet.close()


async def test_a_master_that_has_lost_its_database_takes_in_whom_it_invites_again(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: DOCS})
    await fleet.stop_master()
    await fleet.start_master(data="empty", new=True)
    client = await fleet.new_client("tester")
    await fleet.stop_child("shop")
    with pytest.raises(Unauthenticated, match="`fleetfold nodes invite shop`"):
        await fleet.start_child("shop", {"products": lambda: DOCS})
    await fleet.start_child("shop", {"products": lambda: DOCS}, join=(await client.nodes.invite("shop")).token)
    assert statuses(await client.search("tent")) == {"shop": "ok"}


async def test_a_restarted_master_knows_at_once_who_is_there(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.start_child("blog")
    await fleet.stop_child("blog")
    await fleet.stop_master()
    await fleet.start_master()
    assert {node.name: node.healthy for node in await fleet.client.nodes.list()} == {"shop": True, "blog": False}


async def test_a_child_waits_for_a_master(fleet: Fleet) -> None:
    await fleet.stop_master()
    with capture_logs() as logs:
        starting = asyncio.create_task(fleet.start_child("shop"))
        await eventually(lambda: any(entry["event"] == "node.awaiting_master" for entry in logs))
    assert not starting.done()
    await fleet.start_master()
    await starting
    assert (await fleet.client.nodes.get("shop")).healthy


async def test_a_name_belongs_to_the_process_that_lives(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    with pytest.raises(Conflict, match="'shop'") as refused:
        await fleet.start_child("shop", data="shop-2")
    assert refused.value.field == "node"
    assert (await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])).state == "ok"
    await fleet.stop_child("shop")
    await fleet.start_child("shop")
    assert (await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])).state == "ok"


async def test_a_data_directory_belongs_to_one_process(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    with pytest.raises(Conflict):
        await fleet.start_child("blog", data="shop")
    assert [node.name for node in await fleet.client.nodes.list()] == ["shop"]


async def test_a_process_that_was_taken_for_dead_is_told_to_stop(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen, thawed, ping = fleet.declare("shop"), asyncio.Event(), Handlers._ping

    async def answer(verbs: Handlers, request: Any, call: Any) -> Pong:
        if verbs._incarnation == frozen._describing.incarnation:
            await thawed.wait()
        return await ping(verbs, request, call)

    monkeypatch.setattr(Handlers, "_ping", answer)
    await frozen.start()
    successor = await fleet.start_child("shop", data="shop-2")
    async with asyncio.timeout(20):
        assert "'shop'" in await frozen.wait()
    thawed.set()
    await frozen.stop()
    assert successor._node is not None
    assert not successor._node.stopped.is_set()
    said = await fleet.client.audit.list(node="shop", what="node.replaced")
    cut_off = "another process has taken the name; it did not answer, and is cut off"
    assert cut_off in {entry.reason for entry in said}
    assert (await fleet.client.nodes.get("shop")).healthy
    assert (await fleet.client.run("doze", {"seconds": 0}, nodes=["shop"])).state == "ok"


async def test_a_process_that_is_heard_after_it_was_replaced_is_told_so(fleet: Fleet) -> None:
    living = (await fleet.start_child("shop"))._describing
    async with fleet.masters_bus() as ghost:
        told = await listen(ghost, ghost.subjects.call("shop", "superseded"))
        heartbeat = Heartbeat(seq=1, description=msgspec.structs.replace(living, incarnation="ghost"))
        await ghost.publish(ghost.subjects.heartbeat("shop"), heartbeat)
        await eventually(lambda: bool(told))
    assert decode(told[0].data, Superseded).incarnation == living.incarnation
    assert (await fleet.client.nodes.get("shop")).description.incarnation == living.incarnation


async def test_what_a_replaced_process_says_of_a_command_is_not_final(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    job = await fleet.client.run("doze", {"seconds": 1}, nodes=["shop"], id="one", detach=True)
    steps = [StepSpec(name="s", node="shop", action="doze", params={"seconds": 1})]
    tx = await fleet.client.transact(steps, id="two", detach=True)
    async with fleet.masters_bus() as ghost:
        outcome: Outcome
        for outcome in ("timed_out", "unknown", "failed"):
            results = [
                CommandResult(id=command, attempt=1, epoch=0, outcome=outcome, incarnation="ghost", code="poison")
                for command in ("j.one.shop", "t.two.s.f")
            ]
            await ghost.publish(ghost.subjects.result("shop"), CommandResults(results=results))
    assert (await job.result(20)).state == "ok"
    assert (await tx.result(20)).state == "committed"
    assert (await fleet.client.dead_letters.list()).dead_letters == []
    said = await fleet.client.audit.list(node="shop", what="node.replaced")
    assert [(entry.who, entry.outcome) for entry in said] == [("shop", "refused")]


async def test_every_process_of_a_name_hears_who_holds_it(fleet: Fleet) -> None:
    """By the inbox: in the queue group of the name, the living process may take what is meant for the replaced one."""
    living = (await fleet.start_child("shop"))._describing
    async with fleet.masters_bus() as ghost:
        told = await listen(ghost, superseded_subject("shop"))
        results = [CommandResult(id="j.none.shop", attempt=1, epoch=0, outcome="unknown", incarnation="ghost")]
        await ghost.publish(ghost.subjects.result("shop"), CommandResults(results=results))
        await eventually(lambda: bool(told))
    assert decode(told[0].data, Superseded).incarnation == living.incarnation


async def test_a_removed_node_is_out_and_its_name_may_return(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: DOCS})
    await fleet.start_child("blog", {"posts": lambda: DOCS})
    await fleet.client.nodes.remove("blog")
    assert [node.name for node in await fleet.client.nodes.list()] == ["shop"]
    assert {node.name: node.state for node in await fleet.client.nodes.list(removed=True)}["blog"] == "removed"
    assert statuses(await fleet.client.search("tent")) == {"shop": "ok"}
    with pytest.raises(NotFound):
        await fleet.client.run("doze", nodes=["blog"])
    await fleet.stop_child("blog")
    with pytest.raises(Unauthenticated, match="`fleetfold nodes invite blog`"):
        await fleet.start_child("blog", {"posts": lambda: DOCS})
    await fleet.start_child("blog", {"posts": lambda: DOCS}, join=(await fleet.client.nodes.invite("blog")).token)
    assert statuses(await fleet.client.search("tent")) == {"shop": "ok", "blog": "ok"}
    assert (await fleet.client.run("doze", {"seconds": 0}, nodes=["blog"])).state == "ok"


async def test_a_node_that_a_transaction_needs_is_not_removed(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.start_child("blog")
    step = StepSpec(name="a", node="shop", action="doze", params={"seconds": 0.3})
    going_on = await fleet.client.transact([step], detach=True)
    with pytest.raises(Conflict, match=going_on.id) as refused:
        await fleet.client.nodes.remove("shop")
    assert refused.value.field == "node"
    await fleet.client.nodes.remove("blog")
    assert (await fleet.client.transactions.wait(going_on.id, 20)).state == "committed"
    await fleet.client.nodes.remove("shop")
    assert await fleet.client.nodes.list() == []


async def test_what_an_operator_has_set_outlasts_restarts(fleet: Fleet) -> None:
    await fleet.start_child("shop", labels={"zone": "eu"})
    change = NodeUpdate(node="shop", state="maintenance", title="The shop", labels={"zone": "us"})
    await fleet.client.nodes.update(change)
    await fleet.stop_child("shop")
    await fleet.stop_master()
    await fleet.start_master()
    await fleet.start_child("shop", labels={"zone": "eu"})
    node = await fleet.client.nodes.get("shop")
    assert (node.state, node.title, node.description.labels) == ("maintenance", "The shop", {"zone": "us"})


async def test_a_node_that_leaves_is_down_at_once(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    await fleet.stop_child("shop")
    assert not (await fleet.client.nodes.get("shop")).healthy


async def test_a_silent_node_is_down_after_three_heartbeats(fleet: Fleet) -> None:
    child = await fleet.start_child("shop", {"products": lambda: DOCS})
    assert child._node is not None
    await child._node._tasks.cancel()

    async def down() -> bool:
        return not (await fleet.client.nodes.get("shop")).healthy

    await eventually(down)
    assert statuses(await fleet.client.search("tent")) == {"shop": "unreachable"}
