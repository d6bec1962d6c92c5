from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest
from bench.agreement import compare
from bench.one_index import ndcg, recall
from bench.processes import cpu_spent
from bench.reference import OneIndex
from bench.retrieval import read_references
from bench.rounds import medians, percentile, rate

GRADES = {"a": 3, "b": 1, "c": 0}


def hits(*scored: tuple[str, float]) -> list[tuple[tuple[str, str], float]]:
    return [(("docs", identity), score) for identity, score in scored]


def test_the_ideal_order_has_an_ndcg_of_one():
    assert ndcg(["a", "b", "c"], GRADES) == 1.0


def test_ndcg_discounts_a_gain_of_two_to_the_grade_by_its_rank():
    assert ndcg(["b", "a"], GRADES) == pytest.approx((1 + 7 / math.log2(3)) / (7 + 1 / math.log2(3)))


def test_ndcg_without_anything_relevant_is_zero():
    assert ndcg(["a"], {"a": 0}) == 0.0


def test_recall_counts_what_is_relevant_and_in_the_first_ten():
    assert recall(["c", "a"], GRADES) == 0.5
    assert recall([*"0123456789", "a"], GRADES) == 0.0


def test_equal_rankings_agree_whatever_their_scores():
    assert compare(hits(("a", 0.9), ("b", 0.5)), hits(("a", 0.8), ("b", 0.4))) is None


def test_documents_of_equal_score_in_another_order_are_a_tie():
    found = compare(hits(("a", 0.5), ("b", 0.5)), hits(("b", 0.5), ("a", 0.5)))

    assert found is not None
    assert (found.place, found.tie) == (1, True)


def test_another_document_of_another_score_is_no_tie():
    found = compare(hits(("a", 0.9), ("b", 0.5)), hits(("a", 0.9), ("c", 0.4)))

    assert found is not None
    assert (found.place, found.tie, found.reason) == (2, False, "1 other documents")


def test_a_tie_at_one_place_does_not_excuse_a_difference_at_another():
    found = compare(hits(("a", 0.9), ("b", 0.5)), hits(("z", 0.9), ("c", 0.4)))

    assert found is not None
    assert not found.tie


def test_a_shorter_answer_is_a_difference():
    found = compare(hits(("a", 0.9)), hits(("a", 0.9), ("b", 0.5)))

    assert found is not None
    assert (found.place, found.ours, found.tie) == (2, "-", False)


def test_the_one_index_scores_by_the_formula():
    index = OneIndex({("docs", "1"): "red tent", ("docs", "2"): "red red car engine"})
    tf = 1 / (1 + 1.2 * (1 - 0.75 + 0.75 * 2 / 3))  # in a document of 2 terms, where the mean is 3

    assert index._bm25("tent") == {0: pytest.approx(tf)}  # the only term, so its idf stands above and below
    assert index.search("red tent", 1)[0][0] == ("docs", "1")


def test_references_are_read_from_the_last_column(tmp_path: Path):
    (tmp_path / "README.md").write_text("| | BM25 | ours |\n| --- | --- | --- |\n| shop_us | .656 / .216 | .663 |\n")

    assert read_references(tmp_path) == {"shop_us": 0.663}


def test_a_percentile_is_a_value_that_was_measured():
    assert percentile(range(1, 101), 99) == 99
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0


def test_medians_are_taken_figure_by_figure():
    assert medians([{"a": 1, "b": 9}, {"a": 5, "b": 7}, {"a": 3, "b": 8}]) == {"a": 3, "b": 8}


def test_cpu_is_counted_by_process_and_piece_of_work():
    assert cpu_spent({"master": 1.0}, {"master": 1.5}, 1000) == {"master": 500.0}


async def test_work_is_kept_in_flight_up_to_the_number_asked_for():
    running = most = done = 0

    async def work() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done += 1

    await rate(work, in_flight=3, count=10)

    assert (most, done) == (3, 10)
