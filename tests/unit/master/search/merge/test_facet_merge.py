"""Facets: what a node counts, how much of it travels, and what the master makes of several."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.search.merge.facet_merge import SHOWN, merged_facets
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import FacetCounts, FacetValue, SearchAnswer, ValueCount
from fleetfold_shared.query.facets import MAX_COUNTED, MAX_FACET_BYTES, FacetCounter, check_facets, fitting_counts

values = st.sampled_from(
    ["a", "b", "", 1, 1.0, 2.5, 0, True, False, None, {"x": 1}, [], ["a", 1, "a"], [None], [1.0, 1]]
)


def counter(*found: object) -> FacetCounter:
    counted = FacetCounter()
    counted.count(found)
    return counted


def answer(*found: object, exact: bool = True) -> SearchAnswer:
    return SearchAnswer(facets=fitting_counts([("brand", counter(*found))]), exact=exact)


def test_numbers_texts_and_booleans_are_different_values() -> None:
    assert counter(1, "1", True, 1.0, 0, False, "true").most(9) == [
        (1, 2), (0, 1), ("1", 1), ("true", 1), (False, 1), (True, 1),
    ]  # fmt: skip


def test_a_list_counts_for_each_of_its_members_once() -> None:
    assert counter(["a", "b", "a"], "a", [1, 1.0, {"x": 1}]).most(9) == [("a", 2), (1, 1), ("b", 1)]


def test_null_objects_empty_lists_and_what_is_not_there_are_missing() -> None:
    counted = counter(None, {}, [], [None, ["a"]], object(), "a")
    assert (counted.missing, counted.most(9)) == (5, [("a", 1)])


def test_a_text_counts_by_its_first_characters() -> None:
    assert counter("é" * 100 + "a", "é" * 100 + "b").most(9) == [("é" * 100, 2)]


def test_a_whole_number_is_one_whichever_way_it_is_written() -> None:
    assert msgspec.json.encode(counter(10.0, -0.0, 1e300, 2.0**63).most(9)) == (
        b"[[0,1],[10,1],[9223372036854775808,1],[1e300,1]]"
    )


@given(st.lists(st.lists(values, max_size=12), max_size=4))
def test_what_nodes_counted_adds_up_to_the_count_of_all(nodes: list[list[object]]) -> None:
    whole = counter(*(value for found in nodes for value in found))
    [facet] = merged_facets(["brand"], [answer(*found) for found in nodes])
    assert [(one.value, one.count) for one in facet.values] == whole.most(SHOWN)
    assert (facet.missing, facet.distinct, facet.approximate) == (whole.missing, whole.distinct, False)


def test_a_caller_sees_the_most_frequent_values_and_how_many_there_are() -> None:
    [facet] = merged_facets(["brand"], [answer(*range(30)), answer(*range(25, 30))])
    assert facet.values[:6] == [FacetValue(n, 2) for n in range(25, 30)] + [FacetValue(0, 1)]
    assert (len(facet.values), facet.distinct, facet.approximate) == (SHOWN, 30, False)


def test_a_node_tells_its_most_frequent_values_and_that_it_cut() -> None:
    [cut] = answer(*range(MAX_COUNTED + 1), MAX_COUNTED).facets
    assert (len(cut.values), cut.values[0], cut.cut) == (MAX_COUNTED, ValueCount(MAX_COUNTED, 2), True)
    [whole] = answer(*range(MAX_COUNTED)).facets
    assert (len(whole.values), whole.cut) == (MAX_COUNTED, False)


def test_facets_stay_within_their_bytes_whatever_is_in_them() -> None:
    wide = [(f"field{n}", counter(*(f"{i:05}" + "\x00" * 200 for i in range(MAX_COUNTED)))) for n in range(10)]
    facets = fitting_counts(wide)
    assert all(facet.cut and len(facet.values) > 10 for facet in facets)
    assert sum(len(msgspec.json.encode(facet.values)) for facet in facets) <= MAX_FACET_BYTES


@pytest.mark.parametrize(
    ("others", "approximate"),
    [
        ([answer("b")], False),
        ([answer("b", exact=False)], True),
        ([SearchAnswer(facets=[FacetCounts("brand", [ValueCount("b", 1)], cut=True)])], True),
        ([SearchAnswer()], True),
        ([SearchAnswer(status="no_collection"), SearchAnswer(status="error", error="closed")], False),
    ],
)
def test_a_facet_is_approximate_when_a_node_that_answered_did_not_count_all(
    others: list[SearchAnswer], approximate: bool
) -> None:
    [facet] = merged_facets(["brand"], [answer("a", "a"), *others])
    assert facet.approximate is approximate
    assert facet.values[0] == FacetValue("a", 2)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ([f"f{n}" for n in range(11)], "facets"),
        (["brand", ""], "facets[1]"),
        (["x" * 201], "facets[0]"),
        (["brand", "price", "brand"], "facets[2]"),
        (["_score"], "facets[0]"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_its_place(fields: list[str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_facets(fields)
    assert refused.value.field == field
    assert refused.value.message.startswith(f"{field}: ")


def test_ten_facets_are_allowed() -> None:
    check_facets([f"f{n}" for n in range(10)])
