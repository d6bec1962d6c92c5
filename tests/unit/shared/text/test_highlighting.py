"""What matches is marked where it stands, and the snippet is the passage that says most."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetfold_shared.messages import Highlight
from fleetfold_shared.text.analysis import tokens
from fleetfold_shared.text.highlighting import MOST_CHARS, SNIPPET_CHARS, highlighted, within
from support.effort import effort

IDFS = {"tent": 3.0, "light": 2.0, "rain": 1.0, "東京": 2.0, "京タ": 2.0}
FILLER = "some words about nothing at all "
words = st.sampled_from(
    ["tents", "Light", "RAIN", "nothing", "東京タ", "é", "e\u0301", "🙂", "\x00", "שלום", "\n", "x" * 300]
)
contents = st.lists(words, max_size=120).map(" ".join)


def shown(made: Highlight, title: str, content: str) -> list[tuple[str, str]]:
    texts = {"title": title, "content": content, "snippet": made.snippet}
    return [(span.field, texts[span.field][span.start : span.end]) for span in made.spans]


def test_terms_are_marked_by_their_stem_in_every_text() -> None:
    title, content = "Tents", "A lighter than light tent."
    made = highlighted(title, content, IDFS)
    assert (made.snippet, made.at) == (content, 0)
    assert shown(made, title, content) == [
        ("title", "Tents"), ("content", "light"), ("content", "tent"), ("snippet", "light"), ("snippet", "tent"),
    ]  # fmt: skip


def test_pairs_of_an_unspaced_script_are_one_mark() -> None:
    assert shown(highlighted("東京タ", "", IDFS), "東京タ", "") == [("title", "東京タ")]


def test_the_snippet_has_the_most_idf_of_different_terms_not_the_most_words() -> None:
    content = "rain " * 30 + FILLER * 20 + "a light tent " + FILLER * 20 + "tent tent tent"
    made = highlighted("", content, IDFS)
    assert "a light tent" in made.snippet
    assert content[made.at : made.at + len(made.snippet)] == made.snippet
    assert made.snippet == made.snippet.strip()
    assert made.snippet.split()[0] in FILLER.split()


def test_without_a_match_the_snippet_is_the_beginning() -> None:
    made = highlighted("", FILLER * 50, IDFS)
    assert (made.at, made.spans) == (0, [])
    assert (FILLER * 50).startswith(made.snippet)
    assert SNIPPET_CHARS - 30 < len(made.snippet) <= SNIPPET_CHARS


@settings(max_examples=effort(60))
@given(contents, contents)
def test_marks_match_stay_within_their_text_and_are_bounded(title: str, content: str) -> None:
    made = highlighted(title, content, IDFS)
    assert content[made.at : made.at + len(made.snippet)] == made.snippet
    assert len(made.snippet) <= SNIPPET_CHARS
    for field, text in shown(made, title, content):
        assert text
        assert field == "snippet" or set(tokens(text)) <= IDFS.keys()
    assert len(msgspec.json.encode(made)) < 6000
    if set(tokens(content)) & IDFS.keys():
        assert any(span.field == "snippet" for span in made.spans)


def test_only_the_beginning_of_a_huge_content_is_read() -> None:
    made = highlighted("", "x " * MOST_CHARS + "tent", IDFS)
    assert made.spans == []


def test_what_is_cut_off_is_no_longer_marked() -> None:
    made = highlighted("a tent", "a light tent", IDFS)
    left = within(made, title_chars=3, content_chars=8)
    assert [(span.field, span.start) for span in left.spans] == [("content", 2), ("snippet", 2), ("snippet", 8)]
    assert left.snippet == made.snippet
