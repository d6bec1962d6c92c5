"""Facets and sorting over several nodes: what one look at all documents would give."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from fleetfold.search_request import SearchOptions
from fleetfold_child.index.candidate_index import CandidateIndex
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Facet, Filter, Scopes, Searched, Sort
from support.inprocess import Fleet, fleet, hang, in_time_but, statuses

__all__ = ["fleet"]

Record = dict[str, Any]
WORDS = ["tent", "rain", "light", "stove", "bag", "warm", "winter", "camp", "river", "boots"]


def corpus(prefix: str, size: int) -> list[Record]:
    """Every one of them has a word of the query; three in four have a price."""
    chance = random.Random(prefix)
    made: list[Record] = []
    for number in range(size):
        text = " ".join(["tent", *chance.choices(WORDS, k=chance.randint(0, 20))])
        record = {"id": f"{prefix}-{number:02}", "text": text, "brand": chance.choice(["Fjell", "Acme", "Nord"])}
        made.append(record | ({"price": chance.randint(1, 9)} if number % 4 else {}))
    return made


SHOP, BLOG, REVIEWS = corpus("s", 40), corpus("b", 25), corpus("r", 10)


async def two_nodes(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: SHOP, "reviews": lambda: REVIEWS})
    await fleet.start_child("blog", {"posts": lambda: BLOG})


def counts(facet: Facet) -> dict[Any, int]:
    return {one.value: one.count for one in facet.values}


def brands(*collections: list[Record]) -> Counter[str]:
    return Counter(record["brand"] for records in collections for record in records)


def sort_values(found: Searched) -> list[Any]:
    return [hit.metadata.get("price") for hit in found.hits]


async def test_facets_count_all_that_match_on_all_nodes_not_only_the_hits(fleet: Fleet) -> None:
    await two_nodes(fleet)
    found = await fleet.client.search("tent", limit=1, options=SearchOptions(facets=["brand", "price", "absent"]))
    brand, price, absent = found.facets
    every = [*SHOP, *BLOG, *REVIEWS]
    assert (brand.field, counts(brand), brand.missing) == ("brand", brands(every), 0)
    assert counts(price) == Counter(record["price"] for record in every if "price" in record)
    assert price.missing == sum("price" not in record for record in every)
    assert (absent.values, absent.missing, absent.distinct) == ([], len(every), 0)
    assert [facet.approximate for facet in found.facets] == [False] * 3
    assert len(found.hits) == 1


async def test_facets_count_what_a_threshold_a_filter_and_a_collection_leave(fleet: Fleet) -> None:
    await two_nodes(fleet)
    every = await fleet.client.search("tent rain", limit=100)
    middle = every.hits[30].score
    cheap = Filter(field="price", op="lte", value=4)
    counted = await fleet.client.search(
        "tent rain", limit=2, filter=cheap, collections=["products", "posts"],
        options=SearchOptions(facets=["brand"], threshold=middle),
    )  # fmt: skip
    [brand] = counted.facets
    left = [
        hit for hit in every.hits
        if hit.score >= middle and hit.metadata.get("price", 9) <= 4 and hit.collection != "reviews"
    ]  # fmt: skip
    assert 0 < len(left) < 30
    assert counts(brand) == Counter(hit.metadata["brand"] for hit in left)


async def test_the_hits_and_their_order_are_the_same_with_facets(fleet: Fleet) -> None:
    await two_nodes(fleet)
    plain = await fleet.client.search("tent rain")
    assert (await fleet.client.search("tent rain", options=SearchOptions(facets=["brand"]))).hits == plain.hits
    assert plain.facets == []


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_sort_orders_the_whole_fleet_then_by_score(fleet: Fleet, order: Any) -> None:
    await two_nodes(fleet)
    every = (await fleet.client.search("tent rain", limit=100)).hits
    sign = 1 if order == "asc" else -1
    wanted = sorted(
        every,
        key=lambda hit: ("price" not in hit.metadata, sign * hit.metadata.get("price", 0), -hit.score, hit.node,
                         hit.collection, hit.id),
    )  # fmt: skip
    for limit in (3, 20, 100):
        found = await fleet.client.search("tent rain", limit=limit, sort=[Sort("price", order)])
        assert found.hits == wanted[:limit]


async def test_the_score_is_a_key_among_others(fleet: Fleet) -> None:
    await two_nodes(fleet)
    every = (await fleet.client.search("tent rain", limit=100)).hits
    worst = await fleet.client.search("tent rain", limit=10, sort=[Sort("_score", "asc")])
    assert [hit.score for hit in worst.hits] == sorted(hit.score for hit in every)[:10]
    assert (await fleet.client.search("tent rain", sort=[Sort("_score")])).hits == every[:10]
    grouped = await fleet.client.search("tent rain", limit=100, sort=[Sort("brand"), Sort("_score", "asc")])
    assert grouped.hits == sorted(every, key=lambda hit: (hit.metadata["brand"], hit.score, hit.node, hit.id))


async def test_a_narrow_reader_counts_and_sorts_what_is_in_its_scope(fleet: Fleet) -> None:
    await two_nodes(fleet)
    reader = await fleet.new_client("rita", "reader", scopes=Scopes(nodes=["shop"], collections=["products"]))
    found = await reader.search("tent", limit=100, options=SearchOptions(facets=["brand", "id"]), sort=[Sort("price")])
    assert counts(found.facets[0]) == brands(SHOP)
    assert found.facets[1].distinct == len(SHOP)
    assert {(hit.node, hit.collection) for hit in found.hits} == {("shop", "products")}
    nobody = await fleet.new_client("nina", "reader", scopes=Scopes(nodes=["crm"]))
    assert (await nobody.search("tent", options=SearchOptions(facets=["brand"]))).facets == [Facet("brand", [])]


async def test_a_node_that_is_missing_is_missing_from_the_facets_and_the_answer_says_so(fleet: Fleet) -> None:
    await two_nodes(fleet)
    hang(fleet.children["blog"], "posts")
    found = await in_time_but(
        "blog",
        lambda timeout_s: fleet.client.search(
            "tent", timeout_s=timeout_s, options=SearchOptions(facets=["brand"]), sort=[Sort("price")]
        ),
    )
    assert (found.partial, statuses(found)) == (True, {"shop": "ok", "blog": "timeout"})
    assert counts(found.facets[0]) == brands(SHOP, REVIEWS)


async def test_a_node_that_chooses_candidates_says_that_they_alone_were_counted(fleet: Fleet) -> None:
    await two_nodes(fleet)
    posts = fleet.children["blog"]._collections["posts"]
    posts._committer.index = await CandidateIndex.open(posts._table)
    found = await fleet.client.search("tent", limit=100, options=SearchOptions(facets=["brand"]), sort=[Sort("price")])
    assert {report.node: report.exact for report in found.nodes} == {"shop": True, "blog": False}
    assert found.facets[0].approximate
    values = sort_values(found)
    priced = [value for value in values if value is not None]
    assert values == sorted(priced) + [None] * (len(values) - len(priced))


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("facets", {"options": SearchOptions(facets=[f"f{n}" for n in range(11)])}),
        ("facets[0]", {"options": SearchOptions(facets=[""])}),
        ("sort", {"sort": [Sort(name) for name in "abcd"]}),
        ("sort[0].order", {"sort": [Sort("price", "up")]}),  # type: ignore[arg-type]
    ],
)
async def test_what_cannot_be_counted_or_sorted_by_is_refused_by_its_field(
    fleet: Fleet, field: str, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await fleet.client.search("tent", **options)
    assert refused.value.field == field


async def test_an_empty_fleet_has_a_facet_without_values(fleet: Fleet) -> None:
    assert (await fleet.client.search("tent", options=SearchOptions(facets=["brand"]))).facets == [Facet("brand", [])]


async def test_a_sorted_search_has_one_page_and_is_not_one_without_duplicates(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"docs": lambda: [{"id": str(i), "text": f"tent {i}"} for i in range(9)]})
    first = await fleet.client.search("tent", limit=3, options=SearchOptions(facets=["id"]))
    second = await fleet.client.search("tent", limit=3, options=SearchOptions(facets=["id"], cursor=first.cursor))
    assert second.facets == first.facets
    assert (await fleet.client.search("tent", limit=3, sort=[Sort("id")])).cursor is None
    with pytest.raises(InvalidInput, match="one page"):
        await fleet.client.search("tent", limit=3, sort=[Sort("id")], options=SearchOptions(cursor=first.cursor))
    with pytest.raises(InvalidInput, match="without duplicates"):
        await fleet.client.search("tent", limit=3, sort=[Sort("id")], options=SearchOptions(dedup="exact"))
