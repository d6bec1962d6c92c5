"""A score taken apart adds up to the score."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.messages import Explained, Term
from fleetfold_shared.text.analysis import query_terms, tokens
from fleetfold_shared.text.score_explanation import MOST_TERMS, explained
from fleetfold_shared.text.scoring import weigh
from support.search import document, reference_scores, statistics_of

WORDS = ["tent", "gale", "rain", "light", "stove", "bag", "warm", "zebra", "the"]
words = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)


def total(one: Explained) -> float:
    return one.alpha * sum(term.share for term in one.terms) + (1 - one.alpha) * one.cosine


@given(words, st.lists(words, min_size=1, max_size=8), st.floats(0, 1))
def test_the_parts_add_up_to_the_score_by_the_formula(query: str, texts: list[str], alpha: float) -> None:
    documents = [document(str(number), text) for number, text in enumerate(texts)]
    weights = weigh(query_terms(query), statistics_of(documents))
    lexical = reference_scores(query, documents, alpha=1.0)
    vectors = reference_scores(query, documents, alpha=0.0)
    whole = reference_scores(query, documents, alpha=alpha)
    for one in documents:
        made = explained(
            weights.terms, weights.avgdl, weights.divisor, alpha, vectors.get(one.id, 0.0), tokens(one.text)
        )
        assert total(made) == pytest.approx(whole.get(one.id, 0.0), abs=1e-9)
        assert sum(term.share for term in made.terms) == pytest.approx(lexical.get(one.id, 0.0), abs=1e-9)
        assert made.length == len(tokens(one.text))


def test_terms_say_how_often_they_stand_where() -> None:
    terms = [Term("rain", 1, 1.0), Term("tent", 2, 3.0), Term("zebra", 1, 5.0)]
    made = explained(terms, 4.0, 12.0, 0.7, 0.5, ["tent", "tent", "rain", "gale"])
    assert [(term.term, term.qtf, term.tf, term.idf) for term in made.terms] == [
        ("tent", 2, 2, 3.0), ("rain", 1, 1, 1.0), ("zebra", 1, 0, 5.0),
    ]  # fmt: skip
    assert made.terms[0].bm25 == pytest.approx(2 * 3 * 2 / (2 + 1.2))
    assert made.terms[0].share == pytest.approx(made.terms[0].bm25 / 12)


def test_of_a_long_query_the_weightiest_terms_are_listed_and_the_others_summed() -> None:
    terms = [Term(f"t{number}", 1, 1.0 + number) for number in range(100)]
    made = explained(terms, 100.0, 5050.0, 0.7, 0.0, [term.term for term in terms])
    assert [term.term for term in made.terms][:2] == ["t99", "t98"]
    assert (len(made.terms), made.others) == (MOST_TERMS, 100 - MOST_TERMS)
    assert math.fsum(term.bm25 for term in made.terms) + made.others_bm25 == pytest.approx(made.bm25, abs=1e-9)


def test_a_query_without_terms_is_its_cosine() -> None:
    made = explained([], 10.0, 0.0, 0.7, 0.25, ["tent"])
    assert (made.bm25, made.terms, total(made)) == (0.0, [], pytest.approx(0.075))
