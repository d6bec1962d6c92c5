"""Highlights and explanations of a real fleet: they say what happened, and change nothing else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fleetfold.search_request import SearchOptions
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import Filter, NodeUpdate, Scopes, Searched
from support.inprocess import Fleet, fleet, hang

__all__ = ["fleet"]

SHOP = [
    {"id": "1", "title": "Gale tent", "text": "A light tent for two, proof against rain.", "price": 200},
    {
        "id": "2",
        "title": "Stove",
        "text": "It burns in rain and wind. " * 60 + "Light your tents! " + "No smoke. " * 60,
    },
    {"id": "3", "title": "Café tables", "text": "Tables for a café."},
]
BLOG = [{"id": "1", "title": "🙂 Tents", "text": "Which tent? A TENT that is light."}]
QUERY = "light tents in the rain"


async def open_fleet(fleet: Fleet) -> None:
    await fleet.start_child("shop", {"products": lambda: SHOP, "returns": None})
    await fleet.start_child("blog", {"posts": lambda: BLOG})


def bare(found: Searched) -> Searched:
    hits = [replace(hit, highlight=None, explain=None) for hit in found.hits]
    nodes = [replace(report, ms=None, explain=None) for report in found.nodes]
    return replace(found, hits=hits, nodes=nodes, took_ms=0.0)


async def test_who_does_not_ask_is_told_nothing_and_who_does_gets_the_same_hits(fleet: Fleet) -> None:
    await open_fleet(fleet)
    plain = await fleet.client.search(QUERY)
    assert all(hit.highlight is None and hit.explain is None for hit in plain.hits)
    assert all(report.explain is None for report in plain.nodes)
    assert bare(await fleet.client.search(QUERY, options=SearchOptions(highlight=True, explain=True))) == bare(plain)


async def test_the_parts_of_every_hit_add_up_to_its_score(fleet: Fleet) -> None:
    await open_fleet(fleet)
    for query in (QUERY, "café", "zebra tent tent", "the", "🙂"):
        found = await fleet.client.search(query, options=SearchOptions(explain=True))
        for hit in found.hits:
            one = hit.explain
            assert one is not None
            bm25 = sum(term.share for term in one.terms)
            assert one.alpha * bm25 + (1 - one.alpha) * one.cosine == pytest.approx(hit.score, abs=1e-9)
            assert bm25 == pytest.approx(hit.parts["bm25"], abs=1e-9)
            assert all(term.share == pytest.approx(term.bm25 / one.divisor) for term in one.terms)


async def test_matched_terms_are_marked_where_they_stand(fleet: Fleet) -> None:
    await open_fleet(fleet)
    found = await fleet.client.search(QUERY, options=SearchOptions(highlight=True))
    marks = {}
    for hit in found.hits:
        assert hit.highlight is not None
        texts = {"title": hit.title, "content": hit.content, "snippet": hit.highlight.snippet}
        marks[hit.node, hit.id] = [
            (span.field, texts[span.field][span.start : span.end]) for span in hit.highlight.spans
        ]
    assert marks["blog", "1"][:4] == [
        ("title", "Tents"),
        ("content", "tent"),
        ("content", "TENT"),
        ("content", "light"),
    ]
    [stove] = [hit for hit in found.hits if hit.id == "2"]
    assert stove.highlight is not None
    assert "Light your tents!" in stove.highlight.snippet
    assert stove.content[stove.highlight.at :].startswith(stove.highlight.snippet)


async def test_every_node_says_why_it_was_asked_and_what_it_scored(fleet: Fleet) -> None:
    await open_fleet(fleet)
    await fleet.start_child("crm", {"tickets": None})
    await fleet.client.nodes.update(NodeUpdate(node="crm", state="maintenance"))
    found = await fleet.client.search(QUERY, collections=["products", "tickets"], options=SearchOptions(explain=True))
    nodes = {report.node: report.explain for report in found.nodes}
    blog, crm, shop = nodes["blog"], nodes["crm"], nodes["shop"]
    assert blog is not None
    assert crm is not None
    assert shop is not None
    assert blog.reason == "not asked: it has none of the collections searched"
    assert crm.reason == "not asked: the node is maintenance"
    assert (shop.reason, shop.documents, shop.scored, shop.exact) == ("asked: it has products", 3, 3, True)
    assert shop.current
    [products] = shop.collections
    assert products.master_epoch == products.epoch > 0
    [report] = [report for report in found.nodes if report.node == "shop"]
    assert report.ms == pytest.approx((shop.inside_ms or 0) + (shop.way_ms or 0), abs=0.01)


async def test_statistics_that_are_behind_are_seen(fleet: Fleet) -> None:
    await open_fleet(fleet)
    await fleet.client.search(QUERY)
    await fleet.client.run("index", {"collection": "posts", "documents": [{"id": "2", "text": "tent"}]}, nodes=["blog"])
    epochs = (await fleet.client.search(QUERY, nodes=["blog"], options=SearchOptions(explain=True))).nodes[0].explain
    assert epochs is not None
    [posts] = epochs.collections
    assert (posts.documents, posts.scored) == (2, 2)
    assert posts.master_epoch is not None
    assert posts.master_epoch <= posts.epoch
    assert epochs.current == (posts.master_epoch == posts.epoch)


async def test_a_node_that_hangs_is_explained_as_asked(fleet: Fleet) -> None:
    await open_fleet(fleet)
    hang(fleet.children["blog"], "posts")
    fleet.children["blog"]._collections["posts"].search_explained = (  # type: ignore[method-assign]
        fleet.children["blog"]._collections["posts"].search  # type: ignore[assignment]
    )
    found = await fleet.client.search(QUERY, timeout_s=0.5, options=SearchOptions(explain=True))
    [blog] = [report for report in found.nodes if report.node == "blog"]
    assert (blog.status, found.partial) == ("timeout", True)
    assert blog.explain is not None
    assert (blog.explain.reason, blog.explain.scored) == ("asked: it has posts", None)


async def test_a_scoped_caller_is_told_of_its_own_collections_only(fleet: Fleet) -> None:
    await open_fleet(fleet)
    reader = await fleet.new_client("rita", "reader", scopes=Scopes(nodes=["shop"], collections=["products"]))
    found = await reader.search(QUERY, options=SearchOptions(highlight=True, explain=True))
    assert [report.node for report in found.nodes] == ["shop"]
    explain = found.nodes[0].explain
    assert explain is not None
    assert [one.collection for one in explain.collections] == ["products"]
    assert "returns" not in explain.reason
    with pytest.raises(Forbidden):
        await reader.search(QUERY, collections=["returns"], options=SearchOptions(explain=True))


async def test_filters_and_huge_queries_explain_too(fleet: Fleet) -> None:
    await open_fleet(fleet)
    found = await fleet.client.search(
        "tent " + " ".join(f"w{number}" for number in range(3000)), limit=100,
        filter=Filter(field="price", op="gt", value=100), options=SearchOptions(highlight=True, explain=True),
    )  # fmt: skip
    assert [hit.id for hit in found.hits] == ["1"]
    explain = found.hits[0].explain
    assert explain is not None
    assert (explain.terms[0].term, explain.others > 100) == ("tent", True)
