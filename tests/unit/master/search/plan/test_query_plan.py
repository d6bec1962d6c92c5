"""From the caller's question to what nodes are asked: refusals by field, who is asked, and who is not and why."""

from __future__ import annotations

from typing import Any

import pytest

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.plan.analyzed_query import analyze
from fleetfold_master.search.plan.search_check import check_search
from fleetfold_master.search.plan.shard_request import shard_request
from fleetfold_master.search.plan.target_nodes import TargetNodes, target_nodes
from fleetfold_shared.errors import InvalidInput, NotFound
from fleetfold_shared.messages import CollectionInfo, Filter, NodeDescription, NodeState, Search, SearchRequest
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.text.embedding import DEFAULT_EMBEDDER
from fleetfold_shared.text.term_statistics import MergedCorpus


def node(name: str, *collections: str, state: NodeState = "active", **more: Any) -> StoredNode:
    facts = {"incarnation": "i1", "version": "1.0", "analyzer": ANALYZER, "embedder": DEFAULT_EMBEDDER} | more
    description = NodeDescription(collections=[CollectionInfo(one) for one in collections], **facts)
    return StoredNode(name=name, state=state, description=description, registered_at=0.0)


SHOP, BLOG = node("shop", "products", "reviews"), node("blog", "posts")


def request(search: Search) -> SearchRequest:
    return shard_request(search, analyze(search.query, DEFAULT_EMBEDDER), MergedCorpus([]), "r1", 2.0)


def targets(search: Search, nodes: list[StoredNode], up: set[str]) -> TargetNodes:
    return target_nodes(search, nodes, up, DEFAULT_EMBEDDER)


def statuses(search: Search, nodes: list[StoredNode], healthy: set[str]) -> dict[str, str]:
    return {name: report.status for name, report in targets(search, nodes, healthy).reports.items()}


@pytest.mark.parametrize(
    ("field", "search"),
    [
        ("query", Search(query="")),
        ("query", Search(query=" \n\t")),
        ("limit", Search(query="tent", limit=0)),
        ("limit", Search(query="tent", limit=101)),
        ("limit", Search(query="tent", limit=-1)),
        ("threshold", Search(query="tent", threshold=float("nan"))),
        ("threshold", Search(query="tent", threshold=float("inf"))),
        ("filter", Search(query="tent", filter=Filter())),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_field(field: str, search: Search) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_search(search)
    assert (refused.value.field or "").partition(".")[0] == field
    assert refused.value.message.startswith(field)


@pytest.mark.parametrize("limit", [1, 100])
def test_the_bounds_of_the_limit_are_allowed(limit: int) -> None:
    check_search(Search(query="tent", limit=limit, threshold=0.0))


def test_every_healthy_node_is_asked_for_all_its_collections() -> None:
    found = targets(Search(query="tent"), [SHOP, BLOG], {"shop", "blog"})
    assert found.asked == {"shop": ["products", "reviews"], "blog": ["posts"]}
    assert found.keys == [("shop", "products"), ("shop", "reviews"), ("blog", "posts")]
    assert found.reports == {}


def test_a_node_without_the_collection_is_not_asked() -> None:
    search = Search(query="tent", collections=["posts"])
    found = targets(search, [SHOP, BLOG], {"shop", "blog"})
    assert found.asked == {"blog": ["posts"]}
    assert found.keys == [("blog", "posts")]
    assert found.reports["shop"].status == "no_collection"


def test_the_statistics_of_a_node_that_is_away_still_count() -> None:
    found = targets(Search(query="tent"), [SHOP, BLOG], {"shop"})
    assert found.asked == {"shop": ["products", "reviews"]}
    assert ("blog", "posts") in found.keys
    assert found.reports["blog"].status == "unreachable"


@pytest.mark.parametrize("state", ["maintenance", "inactive", "pending"])
def test_a_node_out_of_service_is_left_out_with_its_statistics(state: NodeState) -> None:
    away = node("blog", "posts", state=state)
    found = targets(Search(query="tent"), [SHOP, away], {"shop"})
    assert found.reports["blog"].status == "not_selected"
    assert state in (found.reports["blog"].error or "")
    assert ("blog", "posts") not in found.keys


def test_a_node_without_collections_is_no_loss() -> None:
    assert statuses(Search(query="tent"), [node("mailer")], set()) == {"mailer": "no_collection"}


@pytest.mark.parametrize("other", [{"analyzer": "french-2"}, {"embedder": "word-bag-16"}])
def test_a_node_that_scores_otherwise_is_asked_as_a_foreign_one(other: dict[str, str]) -> None:
    found = target_nodes(
        Search(query="tent"), [SHOP, node("blog", "posts", **other)], {"shop", "blog"}, DEFAULT_EMBEDDER
    )
    assert (list(found.asked), found.foreign, found.reports) == (["shop", "blog"], {"blog"}, {})


def test_the_statistics_of_another_analyzer_do_not_count_and_those_of_another_embedder_do() -> None:
    french, other = node("blog", "posts", analyzer="french-2"), node("crm", "people", embedder="word-bag-16")
    found = targets(Search(query="tent"), [french, other], {"blog", "crm"})
    assert found.keys == [("crm", "people")]
    assert found.uncounted == [("blog", "posts", "i1", 0)]


def test_a_collection_that_no_node_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="'nothing'; there are: posts, products, reviews") as refused:
        target_nodes(
            Search(query="tent", collections=["posts", "nothing"]), [SHOP, BLOG], {"shop", "blog"}, DEFAULT_EMBEDDER
        )
    assert refused.value.field == "collections"


def test_the_ask_holds_what_the_caller_wants() -> None:
    one = Filter(field="id", value="1")
    search = Search(query="two tents", limit=7, threshold=0.2, collections=["posts"], filter=one)
    ask = request(search)
    assert (ask.request, ask.k, ask.threshold, ask.collections, ask.filter) == ("r1", 7, 0.2, ["posts"], search.filter)
    assert (ask.analyzer, ask.embedder) == (ANALYZER, DEFAULT_EMBEDDER)
    assert {term.term: term.qtf for term in ask.terms} == {"two": 1, "tent": 1}
    assert ask.vector is not None


def test_a_query_of_no_words_has_no_vector_and_no_terms() -> None:
    ask = request(Search(query="—"))
    assert (ask.terms, ask.divisor) == ([], 0.0)


def test_a_query_of_a_megabyte_costs_no_more_than_its_first_two_thousand_characters() -> None:
    long = request(Search(query="tent " * 10_000))
    assert [term.qtf for term in long.terms] == [400]
