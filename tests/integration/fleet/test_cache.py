"""Kept answers in a real fleet: they save asking, and nothing that has changed is ever hidden by them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleetfold.search_request import SearchOptions
from fleetfold_child.node.node import Node
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import NodeUpdate, Scopes, Searched
from support import inprocess
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]

TENTS = [{"id": f"t{number}", "title": f"Tent {number}", "content": "A dry tent."} for number in range(3)]


def tents() -> list[dict[str, Any]]:
    return TENTS


async def settled(fleet: Fleet, query: str = "tent") -> Searched:
    """An answer that is kept: once the statistics are there and nothing is new."""

    async def kept() -> bool:
        return (await fleet.client.search(query)).cached

    await eventually(kept)
    return await fleet.client.search(query)


async def test_an_equal_question_is_answered_without_asking_and_says_so(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": tents})
    kept = await settled(fleet)
    asked = await fleet.client.search("tent", options=SearchOptions(cache="off"))
    assert (kept.cached, asked.cached) == (True, False)
    assert (kept.hits, kept.total, kept.partial) == (asked.hits, asked.total, asked.partial)
    assert [report.status for report in kept.nodes] == ["ok"]
    refreshed = await fleet.client.search("tent", options=SearchOptions(cache="refresh"))
    assert not refreshed.cached
    stats = await fleet.client.cache.stats()
    assert stats.hits >= 2
    assert stats.memory_entries >= 1
    assert stats.hit_rate is not None


async def test_an_acknowledged_action_is_in_the_next_search_before_any_heartbeat(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Node, "changed", lambda *_: None)
    monkeypatch.setattr(inprocess, "HEARTBEAT_S", 60.0)
    await fleet.stop_master()
    await fleet.start_master()
    await fleet.start_child("shop", {"products": tents})
    await settled(fleet)
    for number in range(10):
        document = {"id": "new", "title": f"A new tent {number}"}
        await fleet.client.run("index", {"collection": "products", "documents": [document]}, nodes=["shop"])
        found = await fleet.client.search("tent")
        assert f"A new tent {number}" in [hit.title for hit in found.hits]
    await fleet.client.run("delete", {"collection": "products", "ids": ["new"]}, nodes=["shop"])
    assert "new" not in [hit.id for hit in (await fleet.client.search("tent")).hits]


async def test_what_an_application_indexes_itself_is_found_long_before_the_next_heartbeat(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inprocess, "HEARTBEAT_S", 60.0)
    await fleet.stop_master()
    await fleet.start_master()
    shop = await fleet.start_child("shop", {"products": tents})
    await settled(fleet)
    await shop._collections["products"].index([{"id": "new", "title": "A new tent"}])

    async def found() -> bool:
        return "new" in [hit.id for hit in (await fleet.client.search("tent")).hits]

    await eventually(found, 5.0)


async def test_a_node_that_restarts_or_rests_is_seen_at_once(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": tents})
    await fleet.start_child("blog", {"posts": tents})
    assert len((await settled(fleet)).hits) == 6
    await fleet.client.nodes.update(NodeUpdate(node="blog", state="maintenance"))
    assert {hit.node for hit in (await fleet.client.search("tent")).hits} == {"shop"}
    await fleet.client.nodes.update(NodeUpdate(node="blog", state="active"))
    assert len((await fleet.client.search("tent")).hits) == 6
    await fleet.stop_child("blog")
    assert {hit.node for hit in (await fleet.client.search("tent")).hits} == {"shop"}
    await fleet.start_child("blog", {"posts": lambda: TENTS[:1]}, data="blog-again")
    found = await fleet.client.search("tent")
    assert (len(found.hits), found.partial) == (4, False)


async def test_the_next_master_gives_what_the_last_one_kept(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": tents})
    await settled(fleet)
    await fleet.stop_master()
    await fleet.start_master()

    async def kept() -> bool:
        await fleet.client.search("tent")
        return (await fleet.client.cache.stats()).hits > 0

    await eventually(kept)
    assert (await fleet.client.cache.stats()).misses == 0


async def test_equal_questions_at_the_same_time_are_asked_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await fleet.start_child("shop", {"products": tents})
    await settled(fleet)
    collection, times = shop._collections["products"], 0
    came = 0
    search = collection.search

    async def counted(*given: Any) -> Any:
        nonlocal times
        times += 1
        await eventually(lambda: came == 20)
        return await search(*given)

    collection.search = counted  # type: ignore[method-assign]
    assert fleet.master is not None
    flights = fleet.master.federation._cache._flights  # type: ignore[union-attr]
    follow = flights.following

    def followed(key: str, until: float) -> Any:
        nonlocal came
        came += 1
        return follow(key, until)

    monkeypatch.setattr(flights, "following", followed)
    found = await asyncio.gather(*(fleet.client.search("dry", timeout_s=30.0) for _ in range(20)))
    assert times == 1
    assert {len(one.hits) for one in found} == {3}
    assert (await fleet.client.cache.stats()).shared > 0


async def test_scopes_never_meet_in_the_cache(fleet: Fleet) -> None:
    for name in ("shop-1", "blog"):
        await fleet.start_child(name, {"products": tents, "secrets": tents})
    reader = await fleet.new_client("rita", "reader", scopes=Scopes(nodes=["shop-*"], collections=["products"]))
    assert len((await settled(fleet)).hits) == 10
    for _ in range(3):
        narrow, wide = await reader.search("tent"), await fleet.client.search("tent")
        assert {(hit.node, hit.collection) for hit in narrow.hits} == {("shop-1", "products")}
        assert [report.node for report in narrow.nodes] == ["shop-1"]
        assert len(wide.hits) == 10
    assert narrow.cached


async def test_pages_of_kept_answers_go_on_where_they_should(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": tents})
    await settled(fleet)
    reader = await fleet.new_client("rita", "reader", scopes=Scopes(nodes=["shop"]))
    for client in (fleet.client, reader, fleet.client, reader):
        found = [hit.id async for page in client.search_pages("tent", limit=1) for hit in page.hits]
        assert sorted(found) == ["t0", "t1", "t2"]


async def test_popular_questions_are_counted_warmed_and_shown_to_whole_operators_only(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": tents})
    for query, times in (("tent", 3), ("dry", 2), ("stove", 1)):
        for _ in range(times):
            await fleet.client.search(query)
    popular = await fleet.client.cache.popular(2)
    assert [(one.query, one.count) for one in popular] == [("tent", 3), ("dry", 2)]
    await fleet.client.cache.clear()
    warmed = await fleet.client.cache.warm()
    assert (warmed.asked, warmed.kept) == (3, 3)
    assert (await fleet.client.search("stove")).cached
    narrow = await fleet.new_client("nora", "operator", scopes=Scopes(nodes=["shop"]))
    for refused in (narrow.cache.popular, narrow.cache.warm, narrow.cache.clear):
        with pytest.raises(Forbidden):
            await refused()
    assert (await narrow.cache.stats()).kept_s == 900.0
    assert await fleet.client.cache.clear() >= 3
    assert not (await fleet.client.search("tent")).cached
