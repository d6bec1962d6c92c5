"""Clients with narrow keys in a real fleet: they find, run and see what is theirs, and are told what is not."""

from __future__ import annotations

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_shared.config import AccessConfig
from fleetfold_shared.errors import Forbidden, RateLimited
from fleetfold_shared.messages import AuditList, NodeList, Scopes, encode
from support.broker import listen
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]

TENT = [{"id": "t1", "title": "A tent", "content": "A tent for two."}]


async def two_shops(fleet: Fleet) -> None:
    for name in ("shop-1", "blog"):
        await fleet.start_child(name, {"products": None, "secrets": None})
        for collection in ("products", "secrets"):
            await fleet.client.run("index", {"collection": collection, "documents": TENT}, nodes=[name])


async def test_a_narrow_reader_finds_what_is_in_its_scope_and_nothing_else(fleet: Fleet) -> None:
    await two_shops(fleet)
    reader = await fleet.new_client("rita", "reader", scopes=Scopes(nodes=["shop-*"], collections=["products"]))
    whole = await fleet.client.search("tent")
    found = await reader.search("tent")
    assert len(whole.hits) == 4
    assert [(hit.node, hit.collection) for hit in found.hits] == [("shop-1", "products")]
    assert [report.node for report in found.nodes] == ["shop-1"]
    assert [node.name for node in await reader.nodes.list()] == ["shop-1"]
    with pytest.raises(Forbidden, match="blog"):
        await reader.search("tent", nodes=["blog"])
    with pytest.raises(Forbidden, match="secrets"):
        await reader.search("tent", collections=["secrets"])


async def test_a_narrow_publisher_runs_on_its_nodes_and_sees_its_own_jobs(fleet: Fleet) -> None:
    await two_shops(fleet)
    theirs = await fleet.client.run("doze", {"seconds": 0}, nodes=["shop-1"])
    publisher = await fleet.new_client("pub", "publisher", scopes=Scopes(nodes=["shop-*"], actions=["doze"]))
    mine = await publisher.run("doze", {"seconds": 0}, nodes="all")
    assert [part.node for part in mine.nodes] == ["shop-1"]
    assert [job.id for job in await publisher.jobs.list()] == [mine.id]
    with pytest.raises(Forbidden):
        await publisher.jobs.get(theirs.id)
    with pytest.raises(Forbidden, match="index"):
        await publisher.run("index", {"collection": "products", "documents": []}, nodes=["shop-1"])
    with pytest.raises(Forbidden, match="a publisher"):
        await publisher.search("tent")


async def test_a_limited_caller_sees_its_limit_on_the_wire_and_the_log_has_it_once(fleet: Fleet) -> None:
    await fleet.stop_master()
    fleet.access = AccessConfig(reader_per_minute=2)
    await fleet.start_master()
    reader = await fleet.new_client("rita", "reader")
    replies = await asked(reader._caller.bus, times=4)
    headers = [reply.headers or {} for reply in replies]
    left = sorted((each["RateLimit-Remaining"], "Retry-After" in each) for each in headers)
    assert left == [("0", False), ("0", True), ("0", True), ("1", False)]
    with pytest.raises(RateLimited) as refused:
        await reader.nodes.list()
    assert refused.value.retry_after_s is not None
    assert fleet.master is not None
    entries = (await fleet.master._access.audit.list(AuditList(who="rita", outcome="refused"))).entries
    assert [entry.what for entry in entries] == ["nodes.list"]
    assert entries[0].source == "127.0.0.1"


async def asked(bus: Bus, times: int) -> list[Incoming]:
    """The replies to so many `nodes.list`, as they are on the wire."""
    replies = await listen(bus, "_INBOX.rita.test.*")
    for number in range(times):
        await bus.connection.publish(
            bus.subjects.api("rita", "nodes.list"), encode(NodeList()), f"_INBOX.rita.test.{number}"
        )
    await eventually(lambda: len(replies) == times)
    return replies
