"""Search over several nodes: what one index of everything would say, and the truth about who is missing."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fleetfold.search_request import SearchOptions
from fleetfold_child.index import Collection
from fleetfold_master.search.plan.analyzed_query import analyze
from fleetfold_master.search.plan.shard_request import shard_request
from fleetfold_shared.errors import InvalidInput, NotFound
from fleetfold_shared.messages import Filter, NodeUpdate, ScoredDocument, Search
from fleetfold_shared.text.embedding import DEFAULT_EMBEDDER
from fleetfold_shared.text.term_statistics import StatisticsTable
from support.inprocess import Fleet, fleet, hang, in_time_but, scores, statuses
from support.wait import eventually

__all__ = ["fleet"]

WORDS = [
    "tent", "gale", "rain", "light", "stove", "sleeping", "bag", "warm", "winter", "summer", "camp", "fire", "river",
    "trail", "boots", "hiking", "mountain", "lake", "shop", "order", "refund", "return", "parcel", "invoice", "account",
    "password", "delete", "change", "blue", "green", "red", "heavy", "water", "proof",
]  # fmt: skip
QUERIES = ["a light tent for rain", "delete account", "winter boots boots", "refund", "zebra tent", "zebra"]

Record = dict[str, Any]


def corpus(chance: random.Random, prefix: str, size: int) -> list[Record]:
    return [
        {
            "id": f"{prefix}-{number}", "title": " ".join(chance.choices(WORDS, k=chance.randint(1, 4))),
            "text": " ".join(chance.choices(WORDS, k=chance.randint(0, 40))), "price": chance.randint(1, 9),
        }
        for number in range(size)
    ]  # fmt: skip


async def one_index(place: Path, records: list[Record], *queries: str) -> dict[str, list[ScoredDocument]]:
    """All documents in one collection, asked directly."""
    async with await Collection.open("all", place) as collection:
        await collection.index(records)
        table = StatisticsTable()
        while not table.apply(collection.statistics(table.ask("all"))):
            pass
        searches = {query: Search(query=query, limit=100) for query in queries}
        asks = {
            query: shard_request(one, analyze(query, DEFAULT_EMBEDDER), table, "r", 2.0)
            for query, one in searches.items()
        }
        return {query: (await collection.search(ask))[0] for query, ask in asks.items()}


def same(found: list[tuple[str, float]], wanted: list[ScoredDocument]) -> bool:
    """Whether ids and scores agree to 1e-9; hits of one score in any order."""
    mine, theirs = dict(found), {one.id: one.score for one in wanted}
    in_order = all(before >= after for (_, before), (_, after) in pairwise(found))
    return in_order and mine.keys() == theirs.keys() and all(abs(mine[i] - theirs[i]) <= 1e-9 for i in mine)


async def exact(fleet: Fleet, records: list[Record], place: str, query: str = QUERIES[0]) -> bool:
    """Whether a search now says what one index of `records` would."""
    wanted = await one_index(fleet.place / place, records, query)
    return same(scores(await fleet.client.search(query, limit=100)), wanted[query])


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_two_nodes_answer_as_one_index_of_all_documents_would(fleet: Fleet, seed: int) -> None:
    chance = random.Random(seed)
    shop, blog, reviews = corpus(chance, "s", 40), corpus(chance, "b", 25), corpus(chance, "r", (0, 1, 9)[seed - 1])
    await fleet.start_child("shop", {"products": lambda: shop, "reviews": lambda: reviews})
    await fleet.start_child("blog", {"posts": lambda: blog})
    wanted = await one_index(fleet.place / "all", shop + reviews + blog, *QUERIES)
    for query in QUERIES:
        found = await fleet.client.search(query, limit=100)
        assert same(scores(found), wanted[query]), query
        assert (found.total, found.partial) == (len(found.hits), False)
        best = await fleet.client.search(query, limit=5)
        assert [hit.score for hit in best.hits] == [hit.score for hit in found.hits[:5]]
        assert best.hits == found.hits[:5]


async def test_what_an_action_has_indexed_is_in_the_next_search(fleet: Fleet) -> None:
    chance = random.Random(4)
    shop, blog = corpus(chance, "s", 20), corpus(chance, "b", 20)
    await fleet.start_child("shop", {"products": lambda: shop})
    await fleet.start_child("blog", {"posts": lambda: blog})
    new = {"id": "new", "title": "quokka", "text": "a quokka in a light tent"}
    done = await fleet.client.run("index", {"collection": "posts", "documents": [new]}, nodes=["blog"])
    assert done.state == "ok", done
    assert (await fleet.client.search("quokka")).hits[0].id == "new"
    await eventually(lambda: exact(fleet, [*shop, *blog, new], "all"))
    gone = await fleet.client.run("delete", {"collection": "posts", "ids": ["new", "b-0"]}, nodes=["blog"])
    assert gone.nodes[0].result == {"removed": 2}
    assert "new" not in dict(scores(await fleet.client.search("quokka", limit=100)))
    await eventually(lambda: exact(fleet, [*shop, *blog[1:]], "without"))


async def test_a_stopped_node_costs_its_own_hits_at_once_and_nothing_else(fleet: Fleet) -> None:
    chance = random.Random(5)
    shop, blog = corpus(chance, "s", 20), corpus(chance, "b", 20)
    await fleet.start_child("shop", {"products": lambda: shop})
    await fleet.start_child("blog", {"posts": lambda: blog})
    before = await fleet.client.search("light tent", limit=100)
    await fleet.stop_child("blog")
    after = await fleet.client.search("light tent", limit=100, timeout_s=10)
    assert after.hits == [hit for hit in before.hits if hit.node == "shop"]
    assert statuses(after) == {"shop": "ok", "blog": "stopped"}
    assert (after.partial, after.coverage) == (False, 1.0)


async def test_a_node_that_vanishes_is_unreachable_at_once(fleet: Fleet) -> None:
    """No goodbye, and its last heartbeat is fresh: the broker says that nobody is there."""
    await fleet.start_child("shop", {"products": lambda: [{"id": "1", "text": "tent"}]})
    await fleet.start_child("blog", {"posts": lambda: [{"id": "2", "text": "tent"}]})
    await fleet.client.search("tent")  # what the nodes have is known: nobody is waited for
    await fleet.vanish_child("blog")
    found = await fleet.client.search("tent", timeout_s=10)
    assert statuses(found) == {"shop": "ok", "blog": "unreachable"}
    assert (found.partial, [hit.id for hit in found.hits]) == (True, ["1"])
    assert {node.name: node.healthy for node in await fleet.client.nodes.list()} == {"shop": True, "blog": False}


async def test_a_node_that_hangs_costs_the_deadline_and_its_own_hits(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: [{"id": "1", "text": "tent"}]})
    hang(await fleet.start_child("blog", {"posts": lambda: [{"id": "2", "text": "tent"}]}), "posts")
    found = await in_time_but("blog", lambda timeout_s: fleet.client.search("tent", timeout_s=timeout_s))
    assert statuses(found) == {"shop": "ok", "blog": "timeout"}
    assert (found.partial, [hit.id for hit in found.hits]) == (True, ["1"])


async def test_a_search_narrows_by_node_collection_threshold_and_filter(fleet: Fleet) -> None:
    chance = random.Random(6)
    shop, blog = corpus(chance, "s", 20), corpus(chance, "b", 20)
    await fleet.start_child("shop", {"products": lambda: shop, "reviews": lambda: corpus(chance, "r", 5)})
    await fleet.start_child("blog", {"posts": lambda: blog})
    search = fleet.client.search
    only = await search("light tent", nodes=["blog"], limit=100)
    assert ({hit.node for hit in only.hits}, statuses(only)) == ({"blog"}, {"blog": "ok"})
    reviews = await search("light tent", collections=["reviews"], limit=100)
    assert {hit.collection for hit in reviews.hits} == {"reviews"}
    assert (statuses(reviews), reviews.partial) == ({"shop": "ok", "blog": "no_collection"}, False)
    everything = await search("light tent", limit=100)
    middle = everything.hits[len(everything.hits) // 2].score
    above = await search("light tent", limit=100, options=SearchOptions(threshold=middle))
    assert above.hits == [hit for hit in everything.hits if hit.score >= middle]
    cheap = await search("light tent", limit=100, filter=Filter(field="price", op="lte", value=4))
    assert cheap.hits == [hit for hit in everything.hits if hit.metadata["price"] <= 4]
    assert 0 < len(cheap.hits) < len(everything.hits)


@pytest.mark.parametrize(
    ("field", "error", "options"),
    [
        ("node", NotFound, {"nodes": ["nobody"]}),
        ("collections", NotFound, {"collections": ["nothing"]}),
        ("collections", NotFound, {"nodes": ["blog"], "collections": ["products"]}),
        ("limit", InvalidInput, {"limit": 0}),
        ("limit", InvalidInput, {"limit": 101}),
        ("filter", InvalidInput, {"filter": Filter()}),
        ("timeout_ms", InvalidInput, {"timeout_s": 0}),
    ],
)
async def test_what_cannot_be_searched_is_refused_by_its_field(
    fleet: Fleet, field: str, error: type[InvalidInput], options: dict[str, Any]
) -> None:
    await fleet.start_child("shop", {"products": None})
    await fleet.start_child("blog", {"posts": None})
    with pytest.raises(error) as refused:
        await fleet.client.search("tent", **options)
    assert (refused.value.field or "").partition(".")[0] == field


async def test_a_node_in_maintenance_is_not_asked(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: [{"id": "1", "text": "tent"}]})
    await fleet.start_child("blog", {"posts": lambda: [{"id": "2", "text": "tent"}]})
    await fleet.client.nodes.update(NodeUpdate(node="blog", state="maintenance"))
    found = await fleet.client.search("tent")
    assert (statuses(found), found.partial) == ({"shop": "ok", "blog": "not_selected"}, False)
    assert [hit.id for hit in found.hits] == ["1"]


async def test_an_empty_fleet_finds_nothing_and_misses_nobody(fleet: Fleet) -> None:
    found = await fleet.client.search("tent")
    assert (found.hits, found.nodes, found.total, found.partial) == ([], [], 0, False)


async def test_the_first_search_after_a_childs_restart_is_exact(fleet: Fleet) -> None:
    chance = random.Random(7)
    shop, blog = corpus(chance, "s", 20), corpus(chance, "b", 20)
    await fleet.start_child("shop", {"products": lambda: shop})
    await fleet.start_child("blog", {"posts": lambda: blog})
    assert await exact(fleet, shop + blog, "before")
    await fleet.stop_child("blog")
    more = corpus(chance, "m", 30)
    await fleet.start_child("blog", {"posts": lambda: more})
    assert await exact(fleet, shop + blog + more, "after")


async def test_the_first_search_after_a_masters_restart_is_exact(fleet: Fleet) -> None:
    chance = random.Random(8)
    shop, blog = corpus(chance, "s", 20), corpus(chance, "b", 20)
    await fleet.start_child("shop", {"products": lambda: shop})
    await fleet.start_child("blog", {"posts": lambda: blog})
    await fleet.stop_master()
    await fleet.start_master()
    assert await exact(fleet, shop + blog, "all")


async def test_the_first_search_with_a_new_node_is_exact(fleet: Fleet) -> None:
    chance = random.Random(9)
    shop, blog = corpus(chance, "s", 20), corpus(chance, "b", 20)
    await fleet.start_child("shop", {"products": lambda: shop})
    assert await exact(fleet, shop, "before")
    await fleet.start_child("blog", {"posts": lambda: blog})
    assert await exact(fleet, shop + blog, "after")


async def test_a_node_that_restarts_at_once_holds_up_no_search(fleet: Fleet) -> None:
    """The master has just asked for statistics, and whom it asked is gone."""
    await fleet.start_child("shop", {"products": lambda: [{"id": "1", "text": "tent"}]})
    await fleet.stop_child("shop")
    await fleet.start_child("shop", {"products": lambda: [{"id": "2", "text": "tent"}]})
    found = await fleet.client.search("tent", timeout_s=20)
    assert (found.total, found.partial) == (2, False)
