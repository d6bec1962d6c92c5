"""What a model says, checked as it streams."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleetfold_master.answering.citations import Citations


def told(*words: str, sources: int = 2) -> tuple[str, Citations]:
    citations = Citations(sources)
    said = "".join([*map(citations.pass_on, words), citations.end()])
    return said, citations


@pytest.mark.parametrize(
    ("words", "said", "cited", "invalid"),
    [
        ("It floats [1].", "It floats [1].", {1}, 0),
        ("It floats [3].", "It floats.", set(), 1),
        ("It floats [0].", "It floats.", set(), 1),
        ("Both [1, 2].", "Both [1][2].", {1, 2}, 0),
        ("One of them [1,9].", "One of them [1].", {1}, 1),
        ("Close [1][2]", "Close [1][2]", {1, 2}, 0),
        ("Wide 【2】", "Wide [2]", {2}, 0),
        ("a[i] and [x] stay", "a[i] and [x] stay", set(), 0),
        ("open [1", "open [1", set(), 0),
        ("", "", set(), 0),
    ],
)
def test_only_sources_that_are_there_can_be_cited(words: str, said: str, cited: set[int], invalid: int) -> None:
    text, citations = told(words)
    assert (text, citations.cited, citations.invalid) == (said, cited, invalid)


@given(st.text(alphabet="a [1239],;]", max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_how_the_words_are_cut_into_parts_changes_nothing(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [text[start:end] for start, end in pairwise(places)]
    whole, one = told(text)
    pieces, many = told(*parts)
    assert pieces == whole
    assert (many.cited, many.invalid) == (one.cited, one.invalid)


@given(st.text(alphabet="a [1239],;]【】", max_size=60))
@example("[11[3】】")
@example("[1[9]2]")
def test_what_is_said_cites_nothing_that_is_not_there(text: str) -> None:
    said, _ = told(text)
    _, again = told(said)
    assert again.invalid == 0


@pytest.mark.parametrize("words", [["UNKNOWN"], ["UNK", "NOWN", "."], [" UNKNOWN\n"]])
def test_a_model_that_does_not_know_says_nothing_else(words: list[str]) -> None:
    said, citations = told(*words)
    assert (said, citations.unknown) == ("", True)


def test_an_answer_that_begins_like_the_word_for_not_knowing_is_an_answer() -> None:
    said, citations = told("UN", "ITED [1]")
    assert (said, citations.unknown) == ("UNITED [1]", False)
