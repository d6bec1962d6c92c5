"""Paging through a real fleet: what the pages hold, who may see them, and what happens to them meanwhile."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fleetfold.search_request import SearchOptions
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Hit, Scopes
from support.inprocess import Fleet, fleet, statuses
from support.wait import eventually

__all__ = ["fleet"]

WORDS = ["tent", "rain", "light", "stove", "camp", "trail"]
QUERY = "light tent"


def records(seed: int, prefix: str, size: int) -> list[dict[str, Any]]:
    """Short ones, so that many are equal."""
    chance = random.Random(seed)
    return [{"id": f"{prefix}{i}", "text": " ".join(chance.choices(WORDS, k=2))} for i in range(size)]


async def two_nodes(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: records(1, "p", 23), "reviews": lambda: records(2, "r", 9)})
    await fleet.start_child("blog", {"posts": lambda: records(3, "b", 17)})


async def whole(fleet: Fleet) -> list[Hit]:
    return (await fleet.client.search(QUERY, limit=100)).hits


@pytest.mark.parametrize("limit", [1, 6, 49, 100])
async def test_the_pages_together_are_the_one_answer(fleet: Fleet, limit: int) -> None:
    await two_nodes(fleet)
    pages = [page async for page in fleet.client.search_pages(QUERY, limit=limit)]
    assert [hit for page in pages for hit in page.hits] == await whole(fleet)
    assert [page.cursor is None for page in pages] == [False] * (len(pages) - 1) + [True]
    assert not any(page.partial or page.changed for page in pages)


async def test_a_first_page_is_as_it_was_but_for_its_cursor(fleet: Fleet) -> None:
    await two_nodes(fleet)
    found = await fleet.client.search(QUERY, limit=5)
    assert {one.node: one.count for one in found.nodes} == {"shop": 5, "blog": 5}
    assert (found.total, len(found.hits)) == (5, 5)


async def test_what_is_indexed_between_two_pages_moves_nothing_that_was_there(fleet: Fleet) -> None:
    await two_nodes(fleet)
    before = await whole(fleet)
    pages = [await fleet.client.search(QUERY, limit=9)]
    new = [{"id": f"new{i}", "text": "a light tent " * i} for i in range(30)]
    done = await fleet.client.run("index", {"collection": "posts", "documents": new}, nodes=["blog"])
    assert done.state == "ok"
    await fleet.start_child("late", {"posts": lambda: records(4, "l", 20)})

    async def heard() -> bool:
        moved = await fleet.client.search(QUERY, limit=100)
        return {hit.id: hit.score for hit in moved.hits}.get(before[0].id) != before[0].score

    await eventually(heard)
    while pages[-1].cursor is not None:
        pages.append(await fleet.client.search(QUERY, limit=9, options=SearchOptions(cursor=pages[-1].cursor)))
    hits = [hit for page in pages for hit in page.hits]
    assert len({(hit.node, hit.collection, hit.id) for hit in hits}) == len(hits)
    assert [hit for hit in hits if hit.node != "late" and not hit.id.startswith("new")] == before
    assert [page.changed for page in pages] == [False] + [True] * (len(pages) - 1)


async def test_a_cursor_outlives_its_master(fleet: Fleet) -> None:
    await two_nodes(fleet)
    before = await whole(fleet)
    first = await fleet.client.search(QUERY, limit=9)
    await fleet.stop_master()
    await fleet.start_master()
    second = await fleet.client.search(QUERY, limit=100, options=SearchOptions(cursor=first.cursor))
    assert first.hits + second.hits == before


async def test_a_node_that_is_gone_costs_its_own_hits_of_the_page(fleet: Fleet) -> None:
    await two_nodes(fleet)
    before = await whole(fleet)
    first = await fleet.client.search(QUERY, limit=9)
    await fleet.vanish_child("blog")
    second = await fleet.client.search(QUERY, limit=100, options=SearchOptions(cursor=first.cursor))
    assert (second.partial, statuses(second)["blog"]) == (True, "unreachable")
    assert second.hits == [hit for hit in before[9:] if hit.node == "shop"]


async def test_a_narrow_readers_pages_hold_what_is_in_its_scope(fleet: Fleet) -> None:
    await two_nodes(fleet)
    reader = await fleet.new_client("rita", "reader", scopes=Scopes(nodes=["shop*"], collections=["products"]))
    mine = (await reader.search(QUERY, limit=100)).hits
    first = await reader.search(QUERY, limit=4)
    await fleet.start_child("shop-2", {"products": lambda: records(5, "q", 5)})
    rest = await reader.search(QUERY, limit=100, options=SearchOptions(cursor=first.cursor))
    assert [hit for hit in first.hits + rest.hits if hit.node == "shop"] == mine
    theirs = await fleet.client.search(QUERY, limit=4)
    lent = await reader.search(QUERY, limit=100, options=SearchOptions(cursor=theirs.cursor))
    assert {(hit.node, hit.collection) for hit in lent.hits} <= {("shop", "products"), ("shop-2", "products")}


@pytest.mark.parametrize("cursor", ["", "nonsense", "1" + "A" * 50, "1" * 100_001])
async def test_what_is_no_cursor_is_refused_by_its_field(fleet: Fleet, cursor: str) -> None:
    await fleet.start_child("shop", {"products": None})
    with pytest.raises(InvalidInput) as refused:
        await fleet.client.search(QUERY, options=SearchOptions(cursor=cursor))
    assert refused.value.field == "cursor"
