"""Who is asked for what several nodes hold: one of them, a good one, and not always the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_master.search.plan.replica_assignment import ReplicaAssignment, assign_replicas, groups_of
from fleetfold_master.search.plan.replica_balancing import ReplicaPerformance, WeightedRendezvous
from fleetfold_master.search.plan.target_nodes import target_nodes
from fleetfold_shared.messages import CollectionInfo, NodeDescription, NodeReport, Search
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.text.embedding import DEFAULT_EMBEDDER

QUERIES = [f"query {number}" for number in range(400)]


def node(name: str, *own: str, **replicated: str) -> StoredNode:
    """With its own collections, and others by the group they belong to."""
    infos = [CollectionInfo(one) for one in own] + [CollectionInfo(one, replica=of) for one, of in replicated.items()]
    description = NodeDescription(
        incarnation="i", version="1", analyzer=ANALYZER, embedder=DEFAULT_EMBEDDER, collections=infos
    )
    return StoredNode(name=name, state="active", description=description, registered_at=0.0)


A, B, C = (node(name, products="catalogue") for name in "abc")
BOTH = node("b", "posts", products="catalogue")


def chosen(
    nodes: list[StoredNode], *, away: Iterable[str] = (), query: str = "tent", pins: Iterable[str] = (),
    standings: Mapping[str, ReplicaPerformance] | None = None, **search: list[str],
) -> tuple[ReplicaAssignment, dict[str, NodeReport]]:  # fmt: skip
    healthy = {one.name for one in nodes} - set(away)
    targets = target_nodes(Search(query=query, **search), nodes, healthy, DEFAULT_EMBEDDER)  # type: ignore[arg-type]
    balancing, groups = WeightedRendezvous(), groups_of(nodes, targets.keys)
    replicas = assign_replicas(
        targets, groups, lambda keys: balancing.order(query, keys, standings or {}), list(pins)
    )  # fmt: skip
    return replicas, targets.reports


def first(nodes: list[StoredNode], query: str, **standings: ReplicaPerformance) -> str:
    (name,) = chosen(nodes, query=query, standings=standings)[0].asked
    return name


@given(st.text(min_size=1).filter(str.strip))
def test_one_holder_of_each_group_is_asked_and_the_same_for_the_same_query(query: str) -> None:
    assert first([A, B, C], query) == first([C, A, B], query)


def test_queries_are_spread_over_the_holders_by_their_weights() -> None:
    shares = Counter(first([A, B, C], query, c=ReplicaPerformance(weight=2.0)) for query in QUERIES)
    assert 60 < shares["a"] < 140
    assert 60 < shares["b"] < 140
    assert 160 < shares["c"] < 240


def test_when_a_holder_leaves_only_its_queries_move() -> None:
    for query in QUERIES:
        before = first([A, B, C], query)
        assert before == "c" or first([A, B], query) == before


def test_a_holder_that_is_much_slower_is_asked_now_and_then_to_learn_of_its_recovery() -> None:
    slow = Counter(first([A, B], query, a=ReplicaPerformance(1.0), b=ReplicaPerformance(50.0)) for query in QUERIES)
    assert 0 < slow["b"] < len(QUERIES) / 16


def test_load_makes_a_holder_slow() -> None:
    busy = Counter(
        first([A, B], query, a=ReplicaPerformance(10.0), b=ReplicaPerformance(10.0, in_flight=48)) for query in QUERIES
    )
    assert 0 < busy["b"] < len(QUERIES) / 16


def test_a_holder_whose_breaker_is_open_is_not_asked() -> None:
    assert {first([A, B], query, b=ReplicaPerformance(open=True)) for query in QUERIES} == {"a"}


@pytest.mark.parametrize("pinned", ["a", "b", "c"])
def test_the_next_page_is_asked_of_who_gave_the_last_one(pinned: str) -> None:
    replicas, _ = chosen([A, B, C], pins=[f"{pinned}/products"], standings={pinned: ReplicaPerformance(900.0)})
    assert list(replicas.asked) == [pinned]
    assert replicas.pins() == [f"{pinned}/products"]


def test_a_node_with_collections_of_its_own_is_asked_for_those() -> None:
    replicas, _ = chosen([A, BOTH], pins=["a/products"])
    assert replicas.asked == {"a": ["products"], "b": ["posts"]}
    assert chosen([A, BOTH], pins=["b/products"])[0].asked == {"b": ["posts", "products"]}


def test_who_is_not_asked_is_told_with_who_was() -> None:
    replicas, known = chosen([A, B], pins=["b/products"])
    reports = replicas.reports({**known, "b": NodeReport("b", "ok")})
    assert (reports["a"].status, reports["a"].replica, reports["b"].replica) == ("not_selected", "b", None)


def test_a_holder_that_is_away_is_missing_only_where_it_had_more() -> None:
    replicas, known = chosen([A, B], away=["a"])
    reports = replicas.reports({**known, "b": NodeReport("b", "ok")})
    assert (reports["a"].status, reports["a"].replica) == ("unreachable", "b")
    assert replicas.is_replaced("a", reports)
    replicas, known = chosen([A, BOTH], away=["b"])
    reports = replicas.reports({**known, "a": NodeReport("a", "ok")})
    assert not replicas.is_replaced("b", reports)


def test_where_all_holders_fail_all_is_missing() -> None:
    replicas, known = chosen([A, B])
    reports = replicas.reports({**known, "a": NodeReport("a", "timeout"), "b": NodeReport("b", "timeout")})
    assert not replicas.is_replaced("a", reports)
    assert not replicas.is_replaced("b", reports)


def test_a_group_counts_once_by_the_best_of_its_holders() -> None:
    replicas, _ = chosen([A, BOTH, C], away=["a", "c"])
    best = {("a", "products"): (1.0, 5.0), ("b", "products"): (1.0, 7.0), ("c", "products"): (0.0, 9.0)}
    assert replicas.counted(lambda key: best[key]) == [("b", "posts"), ("b", "products")]
    assert replicas.counted(lambda _key: (0.0,)) == [("a", "products"), ("b", "posts")]


def test_only_what_is_searched_is_a_replica() -> None:
    other = node("c", stock="catalogue")
    replicas, _ = chosen([A, other], collections=["products"])
    assert (replicas.asked, replicas.groups) == ({"a": ["products"]}, {})
    replicas, _ = chosen([A, other])
    assert len(replicas.asked) == 1


def test_two_replicated_collections_of_one_node_are_one() -> None:
    replicas, _ = chosen([node("a", x="all", y="all")])
    assert replicas.asked == {"a": ["x"]} or replicas.asked == {"a": ["y"]}
    assert not replicas.fallbacks("a", {"a"})


def test_nothing_is_different_where_nothing_is_replicated() -> None:
    nodes = [node("a", "products"), node("b", posts="alone")]
    replicas, known = chosen(nodes)
    assert replicas.asked == {"a": ["products"], "b": ["posts"]}
    assert (replicas.pins(), replicas.reports(known)) == ([], known)
    assert replicas.counted(lambda _key: (0.0,)) == replicas.keys
