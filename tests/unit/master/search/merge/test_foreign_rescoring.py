"""A node of another embedder or analyzer: its candidates are scored anew, and merge as if it were one of the fleet."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from fleetfold_broker.rpc.scatter import ScatterReply
from fleetfold_child.connectors.documents import Document
from fleetfold_master.search.merge import foreign_rescoring
from fleetfold_shared.messages import Filter, Searched, SearchRequest, Sort
from support.paging import PagedNodes, placed
from support.rounds import rounds_of
from support.search import WordBag, document

WORDS = ["tent", "rain", "light", "stove", "camp", "trail", "boots", "lake", "gale", "fire"]
QUERY = "light tent rain"


class OtherBag(WordBag):
    """Vectors of another space."""

    name = "other-bag-24"
    dimensions = 24


def texts(seed: int, prefix: str, size: int) -> list[Document]:
    chance = random.Random(seed)
    return [
        document(f"{prefix}{i}", " ".join(chance.choices(WORDS, k=chance.randint(1, 8))), price=i % 5)
        for i in range(size)
    ]


async def fleets(size: int = 40) -> tuple[PagedNodes, PagedNodes]:
    """The same documents twice: in a fleet where the blog has another embedder, and in one where it has not."""
    layout = {"shop": {"products": texts(1, "p", 30)}, "blog": {"posts": texts(2, "b", size)}}
    mixed, plain = PagedNodes(), PagedNodes()
    mixed.embedders["blog"] = OtherBag()
    for fleet in (mixed, plain):
        for node, collections in layout.items():
            for collection, documents in collections.items():
                await fleet.put(node, collection, documents)
    return mixed, plain


async def both(**options: Any) -> tuple[Searched, Searched]:
    mixed, plain = await fleets()
    return await mixed.search(QUERY, **options), await plain.search(QUERY, **options)


def report(found: Searched, node: str = "blog") -> tuple[str, bool, bool]:
    one = next(one for one in found.nodes if one.node == node)
    return one.status, one.rescored, one.exact


async def test_what_it_gives_is_scored_to_the_last_bit_as_one_index_would() -> None:
    mixed, plain = await both(limit=100)
    assert placed([mixed]) == placed([plain])
    assert mixed.hits == plain.hits
    assert report(mixed) == ("ok", True, False)
    assert report(mixed, "shop") == report(plain) == ("ok", False, True)


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.3},
        {"filter": Filter(field="price", op="lt", value=3)},
        {"sort": [Sort("price"), Sort("_score")]},
        {"sort": [Sort("title"), Sort("price", "desc")], "threshold": 0.2},
        {"dedup": "exact"},
        {"dedup": "near"},
        {"highlight": True},
        {"alpha": 0.3},
    ],
)
async def test_each_way_to_ask_gives_what_it_gives_of_any_node(options: dict[str, Any]) -> None:
    mixed, plain = await both(limit=20, **options)
    assert mixed.hits == plain.hits


async def test_a_weight_that_it_declares_is_used() -> None:
    mixed, plain = await fleets()
    for fleet in (mixed, plain):
        fleet.nodes["blog"]["posts"].alpha = 0.2
    assert placed([await mixed.search(QUERY, limit=100)]) == placed([await plain.search(QUERY, limit=100)])


async def test_its_facets_are_counted_and_said_to_be_approximate() -> None:
    mixed, plain = await both(limit=5, facets=["price"])
    assert (mixed.facets[0].approximate, plain.facets[0].approximate) == (True, False)
    assert sum(one.count for one in mixed.facets[0].values) > 30


async def test_with_a_threshold_its_facets_are_left_out_and_said_to_be_approximate() -> None:
    """It cannot tell which documents are over a threshold of the fleet's scores."""
    mixed, _ = await both(limit=5, facets=["price"], threshold=0.01)
    assert mixed.facets[0].approximate
    assert sum(one.count for one in mixed.facets[0].values) <= 30


async def test_it_explains_the_score_that_the_hit_has_and_why_it_is_asked_so() -> None:
    found, _ = await both(limit=100, explain=True)
    hit = next(hit for hit in found.hits if hit.node == "blog")
    assert hit.explain is not None
    share = sum(term.share for term in hit.explain.terms)
    assert 0.7 * share + 0.3 * hit.explain.cosine == pytest.approx(hit.score)
    blog = next(one for one in found.nodes if one.node == "blog")
    assert blog.explain is not None
    assert "the master scored its candidates" in blog.explain.reason
    assert blog.explain.exact is False


@pytest.mark.parametrize("size", [1, 7, 30])
async def test_pages_never_overlap_or_skip(size: int) -> None:
    mixed, _ = await fleets(200)
    found = placed(await mixed.pages(QUERY, [size] * 300))
    assert len(set(found)) == len(found)
    assert found == sorted(found, key=lambda one: (-one[3], *one[:3]))
    assert {one[:3] for one in found} == {
        (node, collection, one.id)
        for node, shelves in mixed.nodes.items()
        for collection, shelf in shelves.items()
        for one in shelf.there.values()
        if set(one.content.split()) & set(QUERY.split()) or one.id in {place[2] for place in found}
    }


async def test_a_node_without_the_fleets_vectors_is_not_asked_more_than_once() -> None:
    mixed, _ = await fleets()
    await mixed.search(QUERY, limit=5)
    assert [(one.k, one.query, one.threshold) for one in mixed.asks] == [(5, None, None), (50, QUERY, None)]


async def test_what_is_not_scored_in_time_is_left_out_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    async def too_late(came: Any, ask: SearchRequest, alphas: Any, _left_s: float) -> Any:
        return await foreign_rescoring.rescore(came, ask, alphas, -1.0)

    monkeypatch.setattr("fleetfold_master.search.scatter.scatter.rescore", too_late)
    mixed, _ = await fleets()
    found = await mixed.search(QUERY, limit=10)
    blog = next(one for one in found.nodes if one.node == "blog")
    assert blog.status == "partial"
    assert (blog.error or "").startswith("0 of its ")
    assert found.partial
    assert {hit.node for hit in found.hits} == {"shop"}


async def test_an_older_node_says_that_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    mixed, _ = await fleets()
    gather = mixed.gather

    async def older(verb: str, nodes: list[str], data: bytes, timeout_s: float) -> dict[str, ScatterReply]:
        return await gather(verb, nodes, data.replace(b'"query"', b'"unknown"'), timeout_s)

    monkeypatch.setattr(mixed.federation.scatter.client, "open_round", rounds_of(older))
    found = await mixed.search(QUERY, limit=10)
    blog = next(one for one in found.nodes if one.node == "blog")
    assert (blog.status, blog.rescored) == ("error", False)
    assert "embedder" in (blog.error or "")
    assert {hit.node for hit in found.hits} == {"shop"}


async def test_candidates_of_long_texts_are_fewer_but_whole() -> None:
    mixed = PagedNodes()
    mixed.embedders["blog"] = OtherBag()
    await mixed.put("blog", "posts", [document(f"b{i}", f"tent {'lake ' * 8000}{i}") for i in range(50)])
    found = await mixed.search("tent", limit=10)
    assert [hit.content[-1] for hit in found.hits] != ["…"] * 10
    assert report(found) == ("ok", True, False)


async def test_a_node_of_another_analyzer_weighs_in_its_own_way_and_counts_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not stem: «tents» is another word than «tent» there."""
    fleet = PagedNodes()
    fleet.analyzers["blog"] = "plain-1"
    with monkeypatch.context() as other:
        other.setattr("fleetfold_child.index.preparation.tokens", str.split)
        await fleet.put("blog", "posts", [document("b1", "tents tents in the rain"), document("b2", "one tent")])
    monkeypatch.setattr("fleetfold_child.index.analyzer_mismatch.ANALYZER", "plain-1")
    monkeypatch.setattr("fleetfold_child.index.shard_request.ANALYZER", "plain-1")
    monkeypatch.setattr("fleetfold_child.index.analyzer_mismatch.query_terms", lambda text: dict(Counter(text.split())))
    found = await fleet.search("tents", alpha=1.0)
    assert [hit.id for hit in found.hits] == ["b1"]
    assert report(found) == ("ok", True, False)
    assert fleet.asks[0].analyzer != "plain-1"
    assert fleet.asks[0].avgdl == 1.0


async def test_changes_of_another_analyzers_node_are_said_between_pages() -> None:
    fleet = PagedNodes()
    fleet.analyzers["blog"] = "plain-1"
    await fleet.put("blog", "posts", texts(1, "b", 20))
    first = await fleet.search(QUERY, limit=3)
    same = await fleet.search(QUERY, limit=3, cursor=first.cursor)
    await fleet.put("blog", "posts", texts(9, "x", 3))
    assert (same.changed, (await fleet.search(QUERY, limit=3, cursor=first.cursor)).changed) == (False, True)


async def test_a_foreign_node_that_tells_no_values_to_sort_by_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_child.index.analyzer_mismatch._valued", lambda hit, _sorts: hit)
    mixed, _ = await fleets()
    found = await mixed.search(QUERY, limit=100, sort=[Sort("price")])
    nodes = [hit.node for hit in found.hits]
    assert nodes == sorted(nodes, key=lambda node: node == "blog")
