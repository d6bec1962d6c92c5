"""A real fleet with a node of another embedder, and with collections that weigh words in their own way."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from fleetfold.search_request import SearchOptions
from fleetfold_shared.text.embedding import register_embedder
from support.inprocess import Fleet, fleet, hang, scores, statuses
from support.search import WordBag

__all__ = ["fleet"]

WORDS = ["tent", "gale", "rain", "light", "stove", "sleeping", "bag", "warm", "winter", "camp", "fire", "river"]
QUERY = "a light tent for rain"


@pytest.fixture(autouse=True)
def _another_embedder() -> None:
    register_embedder(WordBag.name, WordBag)


def records(seed: int, prefix: str, size: int = 30) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        {"id": f"{prefix}{i}", "text": " ".join(chance.choices(WORDS, k=chance.randint(1, 20)))} for i in range(size)
    ]


async def test_a_node_of_another_embedder_merges_into_the_one_ranking_and_is_marked(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: records(1, "p")})
    await fleet.start_child("blog", {"posts": lambda: records(2, "b")})
    wanted = await fleet.client.search(QUERY, limit=100, options=SearchOptions(highlight=True), timeout_s=20)
    await fleet.stop_child("blog")
    await fleet.start_child("blog", {"posts": lambda: records(2, "b")}, embedder=WordBag.name)
    found = await fleet.client.search(QUERY, limit=100, options=SearchOptions(highlight=True), timeout_s=20)
    assert found.hits == wanted.hits
    assert (statuses(found), found.partial) == ({"shop": "ok", "blog": "ok"}, False)
    assert {one.node: (one.rescored, one.exact) for one in found.nodes} == {
        "shop": (False, True), "blog": (True, False)
    }  # fmt: skip
    pages = [page async for page in fleet.client.search_pages(QUERY, limit=7, timeout_s=20)]
    assert [hit.id for page in pages for hit in page.hits] == [hit.id for hit in found.hits]


async def test_a_stranger_that_hangs_costs_its_own_hits(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: records(1, "p")})
    blog = await fleet.start_child("blog", {"posts": lambda: records(2, "b")}, embedder=WordBag.name)
    await fleet.client.search(QUERY)
    hang(blog, "posts")
    found = await fleet.client.search(QUERY, timeout_s=1)
    assert {hit.node for hit in found.hits} == {"shop"}
    assert statuses(found)["blog"] in {"timeout", "error"}


async def test_a_declared_weight_is_told_and_used_and_may_be_overridden(fleet: Fleet) -> None:
    shop = fleet.declare("shop").collection("products", lambda: records(1, "p"), alpha=0.0)
    await fleet.start(shop)
    (node,) = await fleet.client.nodes.list()
    assert [one.alpha for one in node.description.collections] == [0.0]
    found = await fleet.client.search(QUERY, options=SearchOptions(explain=True))
    assert [hit.score for hit in found.hits] == pytest.approx([hit.parts["cosine"] for hit in found.hits])
    assert {hit.explain and hit.explain.alpha for hit in found.hits} == {0.0}
    words = await fleet.client.search(QUERY, options=SearchOptions(alpha=1.0))
    assert [hit.score for hit in words.hits] == pytest.approx([hit.parts["bm25"] for hit in words.hits])


async def test_while_a_refresh_hangs_searches_use_what_is_known_and_agree(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fleet.start_child("shop", {"products": lambda: records(1, "p")})
    before = await fleet.client.search(QUERY, limit=100)
    assert fleet.master is not None
    shop = fleet.children["shop"]._collections["products"]
    asked, never = asyncio.Event(), asyncio.Event()

    async def hanging(*_: object) -> None:
        asked.set()
        await never.wait()

    monkeypatch.setattr("fleetfold_master.nodes.node_gateway.NodeGateway._ask_one", hanging)
    await shop.index([{"id": "new", "text": "an unheard word"}])
    await asked.wait()
    for _ in range(3):
        found = await fleet.client.search(QUERY, limit=100)
        assert [one for one in scores(found) if one[0] != "new"] == scores(before)
        assert not found.partial
