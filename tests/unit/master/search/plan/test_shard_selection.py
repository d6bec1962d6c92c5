"""What is expected of nodes: those that have the words and the meaning come first, and chance tells nobody apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.search.plan.relevance_estimate import (
    ENOUGH,
    CandidateNode,
    QueryTerms,
    expected_relevance,
    smallest_selection,
)
from fleetfold_shared.text.centroid_format import Centroids
from fleetfold_shared.text.term_statistics import MergedCorpus, StatisticsTable

Axis = tuple[float, float, float]
EAST, NORTH, UP = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def member(
    name: str, dfs: dict[str, int], *axes: Axis, documents: int = 1000, comparable: bool = True
) -> CandidateNode:
    table = StatisticsTable()
    table.documents, table.length, table._dfs = documents, 20 * documents, dfs
    if axes:
        table.centroids = Centroids(np.array(axes, dtype=np.float32), np.ones(len(axes), dtype=np.int64))
    return CandidateNode(name, MergedCorpus([table]), comparable)


def unknown(name: str) -> CandidateNode:
    return CandidateNode(name, MergedCorpus([]))


def vector(axis: Axis) -> np.ndarray:
    return np.array(axis, dtype=np.float32)


def alike(count: int) -> list[CandidateNode]:
    return [member(f"n{number}", {"tent": 40 + number % 2}, EAST) for number in range(count)]


UNLIKE = [
    member("shop", {"tent": 300, "red": 200}, EAST), member("crm", {"invoice": 300, "red": 210}, NORTH),
    member("wiki", {"physics": 300, "red": 190}, UP), member("faq", {"login": 300}, (-1.0, 0.0, 0.0)),
]  # fmt: skip


def test_the_node_with_the_words_and_the_meaning_is_enough() -> None:
    expected = expected_relevance(UNLIKE, QueryTerms({"tent": 1.0}, vector(EAST)))
    assert smallest_selection(UNLIKE, expected) == ["shop"]
    assert math.fsum(expected.values()) == pytest.approx(1.0)


def test_words_alone_and_meaning_alone_point_to_the_node_too() -> None:
    for wanted in (QueryTerms({"invoice": 1.0}), QueryTerms({}, vector(NORTH))):
        expected = expected_relevance(UNLIKE, wanted)
        assert max(expected, key=expected.__getitem__) == "crm"


def test_a_rare_word_says_more_than_one_that_all_have() -> None:
    expected = expected_relevance(UNLIKE, QueryTerms({"red": 1.0, "physics": 1.0}))
    assert max(expected, key=expected.__getitem__) == "wiki"


@pytest.mark.parametrize(
    "wanted", [QueryTerms({"tent": 1.0}, vector(EAST)), QueryTerms({"unheard": 1.0}), QueryTerms()]
)
def test_nodes_that_are_alike_are_all_asked(wanted: QueryTerms) -> None:
    members = alike(8)
    assert sorted(smallest_selection(members, expected_relevance(members, wanted))) == [one.name for one in members]


def test_one_node_is_asked_whatever_it_has() -> None:
    members = [member("only", {})]
    assert expected_relevance(members, QueryTerms({"tent": 1.0})) == {"only": 1.0}
    assert smallest_selection(members, {"only": 1.0}) == ["only"]
    assert expected_relevance([], QueryTerms()) == {}


def test_a_node_of_which_nothing_is_known_is_always_asked() -> None:
    for other in (unknown("new"), member("other", {"tent": 1}, EAST, comparable=False)):
        members = [*UNLIKE, other]
        expected = expected_relevance(members, QueryTerms({"tent": 1.0}, vector(EAST)))
        assert {"shop", other.name} <= set(smallest_selection(members, expected)) < {one.name for one in members}


def test_with_no_statistics_at_all_everybody_is_asked() -> None:
    members = [unknown("a"), unknown("b"), unknown("c")]
    expected = expected_relevance(members, QueryTerms({"tent": 1.0}, vector(EAST)))
    assert list(expected.values()) == pytest.approx([1 / 3] * 3)
    assert sorted(smallest_selection(members, expected)) == ["a", "b", "c"]


def test_centroids_of_other_dimensions_are_not_compared() -> None:
    odd = member("odd", {"tent": 5})
    odd.corpus.parts[0].centroids = Centroids(np.ones((1, 7), dtype=np.float32), np.ones(1, dtype=np.int64))  # type: ignore[attr-defined]
    expected = expected_relevance([*UNLIKE, odd], QueryTerms({}, vector(EAST)))
    assert math.isfinite(expected["odd"])


def test_an_empty_node_beside_others_does_no_harm() -> None:
    members = [*UNLIKE, member("empty", {}, documents=0)]
    assert "empty" not in smallest_selection(
        members, expected_relevance(members, QueryTerms({"tent": 1.0}, vector(EAST)))
    )


terms = st.dictionaries(st.sampled_from(["tent", "red", "login"]), st.integers(0, 1000))
axes = st.lists(st.sampled_from([EAST, NORTH, UP]), max_size=3)


@given(st.lists(st.tuples(terms, axes, st.booleans()), min_size=1, max_size=9), st.sampled_from([None, EAST, UP]))
def test_what_is_chosen_holds_enough_and_all_shares_are_one(
    nodes: list[tuple[dict[str, int], list[Axis], bool]], axis: Axis | None
) -> None:
    members = [
        member(f"n{place}", dfs, *some, comparable=comparable) for place, (dfs, some, comparable) in enumerate(nodes)
    ]
    wanted = QueryTerms({"tent": 1.0, "red": 0.5}, None if axis is None else vector(axis))
    expected = expected_relevance(members, wanted)
    chosen = smallest_selection(members, expected)
    assert math.fsum(expected.values()) == pytest.approx(1.0)
    assert sum(expected[name] for name in chosen) >= ENOUGH - 1e-6
    assert len(set(chosen)) == len(chosen)
    assert all(one.name in chosen for one in members if not one.is_known)
