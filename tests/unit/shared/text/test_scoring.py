from __future__ import annotations

import math

import pytest

from fleetfold_shared.text.scoring import idf, score, weigh
from fleetfold_shared.text.term_statistics import MergedCorpus
from support.search import document, statistics_of


def test_idf_is_lucenes() -> None:
    assert idf(100, 3) == pytest.approx(math.log(1 + 97.5 / 3.5))


def test_stale_counts_never_make_an_idf_negative() -> None:
    assert idf(2, 5) > 0


def test_a_query_is_weighed_by_the_whole_corpus() -> None:
    shop = statistics_of([document("1", "red shoes"), document("2", "blue shoes")])
    blog = statistics_of([document("1", "red wine and red cheese")])
    weights = weigh({"red": 2, "shoe": 1, "absent": 1}, MergedCorpus([shop, blog]))
    assert {term.term: term.idf for term in weights.terms} == pytest.approx(
        {"red": idf(3, 2), "shoe": idf(3, 2), "absent": idf(3, 0)}
    )
    assert weights.divisor == pytest.approx(3 * idf(3, 2) + idf(3, 0))
    assert weights.avgdl == pytest.approx(8 / 3)


def test_an_empty_corpus_and_an_empty_query_have_weights() -> None:
    nothing = MergedCorpus([])
    assert weigh({}, nothing).divisor == 0
    assert weigh({"red": 1}, nothing).avgdl > 0


def test_a_negative_cosine_takes_nothing_away() -> None:
    assert score(0.5, -0.9, 0.7) == pytest.approx(0.35)
