"""nDCG and recall: what their definitions give."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.text.ranking_metrics import ndcg, recall

GRADES = st.dictionaries(st.integers(0, 30), st.integers(0, 3), max_size=20)
RANKINGS = st.lists(st.integers(0, 30), unique=True, max_size=20)


def test_a_ranking_has_the_gain_of_the_definition() -> None:
    grades = {"a": 3, "b": 1, "c": 0}
    assert ndcg(["b", "x", "a"], grades) == (1 + 7 / 2) / (7 + 1 / math.log2(3))
    assert recall(["b", "x", "c"], grades) == 0.5


def test_what_stands_behind_the_tenth_place_does_not_count() -> None:
    ranked = [str(place) for place in range(10)]
    assert ndcg([*ranked, "a"], {"a": 3}) == recall([*ranked, "a"], {"a": 3}) == 0


def test_without_anything_relevant_both_are_nought() -> None:
    assert ndcg(["a"], {"a": 0}) == recall(["a"], {"a": 0}) == 0


@given(ranked=RANKINGS, grades=GRADES)
def test_the_ideal_order_is_1_and_no_order_is_better(ranked: list[int], grades: dict[int, int]) -> None:
    ideal = sorted(grades, key=lambda one: -grades[one])
    best = ndcg(ideal, grades)
    assert best == (1.0 if any(grades.values()) else 0.0)
    assert 0 <= ndcg(ranked, grades) <= best + 1e-12
    assert 0 <= recall(ranked, grades) <= 1
