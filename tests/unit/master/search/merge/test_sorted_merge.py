"""The order that a search asks for, over the answers of several nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.search.merge.merge import merge, merge_sorted
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Parts, ScoredDocument, Sort, decode
from fleetfold_shared.messages.search import Search
from fleetfold_shared.messages.search_criteria import Scalar
from fleetfold_shared.query.sorting import check_sort, sorted_stably

MIXED: list[Scalar] = ["b", None, True, 2, "a", False, 1.5, None, -3]


def in_order(order: str) -> list[Scalar]:
    return sorted_stably(MIXED, [Sort("x", order)], lambda one: [one])  # type: ignore[arg-type]


def test_kinds_have_one_order_and_nothing_comes_last_either_way() -> None:
    assert in_order("asc") == [-3, 1.5, 2, "a", "b", False, True, None, None]
    assert in_order("desc") == [2, 1.5, -3, "b", "a", True, False, None, None]


def test_equals_keep_their_order_either_way() -> None:
    items = [("first", 1), ("second", 1), ("third", 1)]
    for sort in (Sort("x", "asc"), Sort("x", "desc")):
        assert sorted_stably(items, [sort], lambda one: [one[1]]) == items


def test_without_an_order_fields_rise_and_the_score_falls() -> None:
    pairs = [(1, 0.5), (2, 0.9), (1, 0.7)]
    assert sorted_stably(pairs, [Sort("x"), Sort("_score")], lambda one: one) == [(1, 0.7), (1, 0.5), (2, 0.9)]


def scored(identity: str, score: float, *sort: Scalar) -> ScoredDocument:
    return ScoredDocument("a", identity, score, Parts(score, 0.0), sort=sort)


documents = st.builds(
    scored, st.sampled_from("uvwxyz"), st.sampled_from([0.25, 0.5, 1.0]), st.sampled_from([1, 2.5, "a", True, None])
)
answers = st.dictionaries(st.sampled_from(["shop", "blog", "crm"]), st.lists(documents, max_size=8))


@given(answers, st.integers(1, 30), st.sampled_from(["asc", "desc"]))
def test_the_merge_is_what_arranging_the_whole_ranking_would_give(
    came: dict[str, list[ScoredDocument]], limit: int, order: str
) -> None:
    sorts = [Sort("price", order)]  # type: ignore[arg-type]
    values = {(node, id(doc)): doc.sort for node, docs in came.items() for doc in docs}
    pairs = [(node, doc) for node, docs in came.items() for doc in docs]
    pairs.sort(key=lambda pair: (-pair[1].score, pair[0], pair[1].collection, pair[1].id))
    wanted = sorted_stably(pairs, sorts, lambda pair: values[pair[0], id(pair[1])])[:limit]
    found = merge_sorted(came, limit, sorts)
    assert [(hit.node, hit.id, hit.score) for hit in found] == [(node, doc.id, doc.score) for node, doc in wanted]


@given(answers, st.integers(1, 30))
def test_by_the_score_alone_it_is_the_plain_merge(came: dict[str, list[ScoredDocument]], limit: int) -> None:
    by_score = {
        node: [scored(doc.id, doc.score, doc.score) for doc in docs] for node, docs in came.items()
    }  # fmt: skip
    assert merge_sorted(by_score, limit, [Sort("_score")]) == merge(came, limit)


def test_a_node_that_gave_no_values_comes_last() -> None:
    came = {"new": [scored("1", 0.1, 5)], "old": [scored("2", 0.9)]}
    assert [hit.id for hit in merge_sorted(came, 10, [Sort("price")])] == ["1", "2"]


@pytest.mark.parametrize(
    ("sorts", "field"),
    [
        ([Sort("a"), Sort("b"), Sort("c"), Sort("d")], "sort"),
        ([Sort("a"), Sort("")], "sort[1].field"),
        ([Sort("x" * 201)], "sort[0].field"),
        ([Sort("a"), Sort("a", "desc")], "sort[1].field"),
    ],
)
def test_what_cannot_be_sorted_by_is_refused_by_its_place(sorts: list[Sort], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_sort(sorts)
    assert refused.value.field == field


def test_another_order_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidInput) as refused:
        decode(b'{"query":"tent","sort":[{"field":"price","order":"up"}]}', Search)
    assert refused.value.field == "sort[0].order"
