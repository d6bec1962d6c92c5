"""The same documents on several nodes: asked once, ranked as one index, made up for when a holder is away."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fleetfold.search_request import SearchOptions
from fleetfold_child.index import Collection
from fleetfold_master.search.plan.analyzed_query import analyze
from fleetfold_master.search.plan.shard_request import shard_request
from fleetfold_shared.messages import Hit, NodeReport, Scopes, ScoredDocument, Search, Searched, Sort
from fleetfold_shared.text.embedding import DEFAULT_EMBEDDER
from fleetfold_shared.text.term_statistics import StatisticsTable
from support.inprocess import Fleet, fleet, hang, scores, statuses
from support.wait import eventually

__all__ = ["fleet"]

WORDS = ["tent", "rain", "light", "stove", "camp", "trail", "winter", "boots", "lake", "river"]
QUERIES = ["light tent", "a stove for the winter camp", "boots", "river trail rain", "zebra lake"]
HOLDERS = ("north", "south")

Record = dict[str, Any]


def records(seed: int, prefix: str, size: int) -> list[Record]:
    chance = random.Random(seed)
    return [
        {"id": f"{prefix}{i}", "text": " ".join(chance.choices(WORDS, k=chance.randint(2, 9))), "brand": f"b{i % 3}"}
        for i in range(size)
    ]


CATALOGUE, POSTS, NORTHERN = records(1, "p", 40), records(2, "b", 20), records(3, "n", 10)


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine all nodes are slow now and then: choose by the query alone, and wait for who is asked."""
    monkeypatch.setattr("fleetfold_master.search.plan.replica_balancing.SLOW_MS", 1e9)
    monkeypatch.setattr("fleetfold_master.search.scatter.scatter.LEAST_HEDGE_DELAY_S", 1.0)


async def replicated(fleet: Fleet, *, own: bool = True) -> None:
    """Two nodes with the catalogue, one of which has more; and a third one."""
    for name in HOLDERS:
        child = fleet.declare(name)
        child.collection("products", lambda: CATALOGUE, replica="catalogue")
        if own and name == "north":
            child.collection("northern", lambda: NORTHERN)
        await fleet.start(child)
    await fleet.start_child("blog", {"posts": lambda: POSTS})


async def one_index(fleet: Fleet, documents: list[Record], query: str) -> list[tuple[str, float]]:
    """What one collection with all documents says."""
    async with await Collection.open("all", fleet.place / f"one-{query.replace(' ', '-')}") as collection:
        await collection.index(documents)
        table = StatisticsTable()
        while not table.apply(collection.statistics(table.ask("all"))):
            pass
        ask = shard_request(Search(query=query, limit=100), analyze(query, DEFAULT_EMBEDDER), table, "r", 2.0)
        found: list[ScoredDocument] = (await collection.search(ask))[0]
        return [(one.id, one.score) for one in found]


def same(found: Searched, wanted: list[tuple[str, float]]) -> bool:
    mine, theirs = dict(scores(found)), dict(wanted)
    order = [score for _, score in scores(found)]
    return (
        len(found.hits) == len(wanted) and mine.keys() == theirs.keys() and order == sorted(order, reverse=True)
        and all(abs(mine[one] - theirs[one]) <= 1e-9 for one in mine)
    )  # fmt: skip


def report(found: Searched, node: str) -> NodeReport:
    return next(one for one in found.nodes if one.node == node)


def holder(found: Searched) -> str:
    """Who gave the hits of the catalogue."""
    (name,) = {hit.node for hit in found.hits if hit.collection == "products"}
    return name


async def test_a_fleet_with_a_replicated_collection_ranks_as_one_index_without_the_duplicate(fleet: Fleet) -> None:
    await replicated(fleet)
    asked = set[str]()
    for query in QUERIES * 3:
        found = await fleet.client.search(query, limit=100)
        assert same(found, await one_index(fleet, CATALOGUE + POSTS + NORTHERN, query)), query
        assert not found.partial
        asked.add(holder(found))
        other = next(one for one in HOLDERS if one != holder(found))
        told = report(found, other)
        assert (told.status, told.replica) == (("ok", None) if other == "north" else ("not_selected", "north"))
    assert asked <= set(HOLDERS)


async def test_statistics_sorts_and_facets_count_the_documents_once(fleet: Fleet) -> None:
    await replicated(fleet)
    found = await fleet.client.search("light tent", limit=100, options=SearchOptions(facets=["brand"], threshold=0.2))
    alone = await fleet.client.search(
        "light tent", limit=100, options=SearchOptions(facets=["brand"], threshold=0.2, dedup="exact")
    )
    assert sum(one.count for one in found.facets[0].values) == len(found.hits)
    assert {hit.id for hit in alone.hits} <= {hit.id for hit in found.hits}
    ordered = await fleet.client.search(
        "light tent", limit=100, sort=[Sort("brand")], options=SearchOptions(threshold=0.2)
    )
    assert {hit.id for hit in ordered.hits} == {hit.id for hit in found.hits}


async def test_both_holders_named_are_asked_once_and_one_named_is_asked(fleet: Fleet) -> None:
    await replicated(fleet, own=False)
    both = await fleet.client.search("light tent", nodes=list(HOLDERS), limit=100)
    assert sorted(one.status for one in both.nodes) == ["not_selected", "ok"]
    for name in HOLDERS:
        found = await fleet.client.search("light tent", nodes=[name], limit=100)
        assert statuses(found) == {name: "ok"}
        assert holder(found) == name
        assert [(hit.id, hit.score) for hit in found.hits] == [(hit.id, hit.score) for hit in both.hits]


@pytest.mark.parametrize("mine", HOLDERS)
async def test_a_caller_narrowed_to_one_holder_gets_that_one(fleet: Fleet, mine: str) -> None:
    await replicated(fleet, own=False)
    reader = await fleet.new_client("rita", "reader", scopes=Scopes(nodes=[mine]))
    found = await reader.search("light tent", limit=100)
    assert statuses(found) == {mine: "ok"}
    assert report(found, mine).replica is None


async def test_a_holder_that_left_is_made_up_for_and_nothing_is_partial(fleet: Fleet) -> None:
    await replicated(fleet, own=False)
    whole = await fleet.client.search("light tent", limit=100)
    gone = holder(whole)
    await fleet.stop_child(gone)
    found = await fleet.client.search("light tent", limit=100)
    assert scores(found) == scores(whole)
    assert (holder(found), found.partial) == (next(one for one in HOLDERS if one != gone), False)
    told = report(found, gone)
    assert (told.status, told.replica) == ("stopped", holder(found))


async def test_a_holder_that_hangs_is_made_up_for_before_the_deadline(fleet: Fleet) -> None:
    await replicated(fleet, own=False)
    whole = await fleet.client.search("light tent", limit=100)
    hung = holder(whole)
    hang(fleet.children[hung], "products")
    found = await fleet.client.search("light tent", limit=100, timeout_s=30.0, options=SearchOptions(cache="off"))
    assert scores(found) == scores(whole)
    assert (report(found, hung).status, report(found, hung).replica) == ("timeout", holder(found))
    assert not found.partial


async def test_a_holder_with_documents_of_its_own_is_missed_for_those_alone(fleet: Fleet) -> None:
    await replicated(fleet)
    await fleet.vanish_child("north")
    found = await fleet.client.search("light tent", limit=100)
    assert {hit.collection for hit in found.hits} == {"products", "posts"}
    assert (found.partial, report(found, "north").replica) == (True, "south")


async def pages(fleet: Fleet, first: Searched) -> list[Hit]:
    hits, cursor = list(first.hits), first.cursor
    while cursor:
        page = await fleet.client.search("light tent", limit=7, options=SearchOptions(cursor=cursor))
        assert not page.partial
        hits, cursor = hits + page.hits, page.cursor
    return hits


async def test_pages_stay_with_one_holder_and_go_on_with_another_when_it_is_gone(fleet: Fleet) -> None:
    await replicated(fleet, own=False)
    whole = await fleet.client.search("light tent", limit=100)
    first = await fleet.client.search("light tent", limit=7)
    assert await pages(fleet, first) == whole.hits
    await fleet.stop_child(holder(whole))
    later = await pages(fleet, first)
    assert [(hit.id, hit.score) for hit in later] == [(hit.id, hit.score) for hit in whole.hits]
    assert {hit.node for hit in later if hit.collection == "products"} == set(HOLDERS)


async def test_while_a_holder_is_behind_an_answer_is_that_of_the_one_that_was_asked(fleet: Fleet) -> None:
    await replicated(fleet, own=False)
    new = {"id": "new", "text": "light light tent tent"}
    await fleet.client.run("index", {"collection": "products", "documents": [new]}, nodes=["south"])
    for name, has_it in (("south", True), ("north", False)):
        found = await fleet.client.search("light tent", nodes=[name], limit=100)
        assert ("new" in {hit.id for hit in found.hits}) == has_it
    await fleet.client.run("index", {"collection": "products", "documents": [new]}, nodes=["north"])

    async def agree() -> bool:
        found = [await fleet.client.search(query, limit=100) for query in QUERIES]
        wanted = [await one_index(fleet, [*CATALOGUE, new, *POSTS], query) for query in QUERIES]
        return all(map(same, found, wanted))

    await eventually(agree)


async def test_a_node_shows_what_its_collections_are_replicas_of(fleet: Fleet) -> None:
    await replicated(fleet)
    described = (await fleet.client.nodes.get("north")).description.collections
    assert {one.name: one.replica for one in described} == {"products": "catalogue", "northern": None}
