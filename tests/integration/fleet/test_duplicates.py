"""Duplicates over several nodes: off by default, shown once when asked, and never across a scope."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold.child import Child
from fleetfold.search_request import SearchOptions
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.messages import Scopes, Searched
from support.inprocess import Fleet, fleet

__all__ = ["fleet"]

TENT = {"id": "1", "title": "Gale tent", "text": "A light tent for two in the rain.", "gtin": "036000291452"}
Records = list[dict[str, Any]]


async def node(fleet: Fleet, name: str, records: Records, *keys: str) -> Child:
    child = fleet.declare(name)
    return await fleet.start(child.collection("products", lambda: records, keys=keys))


def shown(found: Searched) -> list[list[str]]:
    """Each hit's node and id, then those of its other sources."""
    return [[f"{one.node}/{one.id}" for one in (hit, *hit.also)] for hit in found.hits]


async def test_the_same_content_is_shown_once_and_says_where_else_it_is(fleet: Fleet) -> None:
    await node(fleet, "shop", [TENT])
    await node(fleet, "outlet", [TENT | {"id": "7", "title": "GALE  TENT", "gtin": "none", "price": 9}])
    plain = await fleet.client.search("gale tent")
    assert sorted(shown(plain)) == [["outlet/7"], ["shop/1"]]
    found = await fleet.client.search("gale tent", options=SearchOptions(dedup="exact"))
    assert shown(found) == [[f"{hit.node}/{hit.id}" for hit in plain.hits]]
    assert (found.total, found.hits[0].also[0].score) == (1, plain.hits[1].score)


async def test_a_declared_key_makes_one_thing_of_two_texts(fleet: Fleet) -> None:
    other = {"id": "g", "title": "Tent, two persons", "text": "Keeps the rain out.", "gtin": 36000291452}
    await node(fleet, "shop", [TENT], "gtin")
    await node(fleet, "outlet", [other], "gtin")
    await node(fleet, "blog", [other | {"id": "b", "text": "Our tent of the year."}])
    found = shown(await fleet.client.search("tent", options=SearchOptions(dedup="exact")))
    assert {frozenset(one) for one in found} == {frozenset({"shop/1", "outlet/g"}), frozenset({"blog/b"})}
    record = await fleet.client.nodes.get("shop")
    assert record.description.collections[0].keys == ["gtin"]


async def test_different_records_with_the_same_id_stay_two(fleet: Fleet) -> None:
    await node(fleet, "shop", [TENT])
    await node(fleet, "outlet", [TENT | {"text": "A heavy tent for six in the sun.", "gtin": None}])
    for dedup in ("exact", "near"):
        assert len((await fleet.client.search("tent", options=SearchOptions(dedup=dedup))).hits) == 2


async def test_near_takes_listings_together_and_leaves_variants_apart(fleet: Fleet) -> None:
    title = "Gale mountain tent for two persons, waterproof, with bag and pegs"
    text = "A light tent for two in the rain. It is up in five minutes and weighs little."
    await node(fleet, "shop", [{"id": "t", "title": title, "text": text}])
    await node(
        fleet, "outlet",
        [
            {"id": "same", "title": f"Waterproof, with bag and pegs: {title.split(',')[0]}", "text": text},
            {"id": "green", "title": f"{title}, green", "text": text},
            {"id": "model", "title": f"{title} X200", "text": text},
        ],
    )  # fmt: skip
    exact = shown(await fleet.client.search("gale mountain tent", options=SearchOptions(dedup="exact")))
    near = shown(await fleet.client.search("gale mountain tent", options=SearchOptions(dedup="near")))
    assert len(exact) == 4
    assert {frozenset(one) for one in near} == {
        frozenset({"shop/t", "outlet/same"}), frozenset({"outlet/green"}), frozenset({"outlet/model"}),
    }  # fmt: skip


@pytest.mark.parametrize("copies", [1, 12])
async def test_the_page_stays_full(fleet: Fleet, copies: int) -> None:
    things = [
        {"id": f"{number}-{copy}", "title": f"tent {'tent ' * number}", "text": f"number {number}"}
        for number in range(6) for copy in range(copies)
    ]  # fmt: skip
    await node(fleet, "shop", things)
    await node(fleet, "outlet", things)
    everything = await fleet.client.search("tent", limit=100)
    for limit in (1, 4, 6):
        found = await fleet.client.search("tent", limit=limit, options=SearchOptions(dedup="exact"))
        assert found.total == limit
        assert [len(hit.also) > 0 for hit in found.hits] == [True] * limit
    if copies == 1:
        best = await fleet.client.search("tent", limit=6, options=SearchOptions(dedup="exact"))
        assert [hit.score for hit in best.hits] == sorted({hit.score for hit in everything.hits}, reverse=True)


async def test_without_duplicates_all_three_answer_alike(fleet: Fleet) -> None:
    await node(fleet, "shop", [{"id": str(n), "title": f"tent{n} tent", "text": "rain " * n} for n in range(30)])
    plain = await fleet.client.search("tent rain", limit=5)
    for dedup in ("exact", "near"):
        assert (await fleet.client.search("tent rain", limit=5, options=SearchOptions(dedup=dedup))).hits == plain.hits


async def test_nothing_is_said_of_sources_outside_of_the_scope(fleet: Fleet) -> None:
    await node(fleet, "shop", [TENT])
    await node(fleet, "outlet", [TENT])
    reader = await fleet.new_client("rita", "reader", scopes=Scopes(nodes=["shop"]))
    assert shown(await fleet.client.search("tent", options=SearchOptions(dedup="exact"))) == [["outlet/1", "shop/1"]]
    assert shown(await reader.search("tent", options=SearchOptions(dedup="exact"))) == [["shop/1"]]


async def test_what_cannot_be_meant_is_refused_by_name(fleet: Fleet) -> None:
    with pytest.raises(InvalidInput, match="dedup"):
        await fleet.client.search("tent", options=SearchOptions(dedup="some"))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="keys"):
        fleet.declare("bad").collection("products", keys=["a:b:c"])
    with pytest.raises(Conflict):
        fleet.declare("bad").collection("products", keys=["a"]).collection("products")


async def test_a_search_without_duplicates_has_one_page(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"docs": lambda: [{"id": str(i), "text": f"tent {i}"} for i in range(9)]})
    first = await fleet.client.search("tent", limit=3)
    assert first.cursor is not None
    assert (await fleet.client.search("tent", limit=3, options=SearchOptions(dedup="exact"))).cursor is None
    with pytest.raises(InvalidInput, match="one page") as refused:
        await fleet.client.search("tent", limit=3, options=SearchOptions(dedup="exact", cursor=first.cursor))
    assert refused.value.field == "cursor"
