"""Terms with their places: the same terms as the analysis has, each where a reader sees it."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleetfold_shared.text.analysis import located, tokens
from support.effort import effort

AWKWARD = "aZ é\u0301\u0327\u0307İIΣσΑ½㎏²™\u00ad\u200d\u200f\x00. _東京ﾞカ가가ㄱㅏهحमिन्\u0e33\U0001f468\U0001f3fd\ufe0f"
texts = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(AWKWARD)), max_size=60)


@settings(max_examples=effort(80))
@given(texts)
@example("\U0001f468\u200d\U0001f469 tents 🙂running")
@example("שלום עולם ab\u200fcd")
@example("e\u0301\u0301 I\u0307stanbul ΟΔΟΣ. Σ")
@example("null\x00byte \x00")
@example("ｶﾞﾗｽ ㄱㅏ 각 \u0344")
def test_the_terms_are_those_of_the_analysis_and_stand_within_the_text(text: str) -> None:
    found = list(located(text))
    assert [term for term, _, _ in found] == tokens(text)
    assert all(0 <= start < end <= len(text) for _, start, end in found)
    assert [start for _, start, _ in found] == sorted(start for _, start, _ in found)


@settings(max_examples=effort(60))
@given(st.text(st.characters(max_codepoint=127)), texts)
def test_ascii_words_stand_for_themselves_whatever_is_around_them(word: str, around: str) -> None:
    text = f"{around} {word} {around}"
    inside = range(len(around) + 1, len(around) + 1 + len(word))
    mine = [(term, text[start:end]) for term, start, end in located(text) if start in inside]
    assert [term for term, _ in mine] == tokens(word)
    assert all(tokens(shown) == [term] for term, shown in mine)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("The Cats ran", [("cat", "Cats"), ("ran", "ran")]),
        ("un cafe\u0301 noir", [("un", "un"), ("café", "cafe\u0301"), ("noir", "noir")]),
        ("Kindle™ now", [("kindl", "Kindle"), ("now", "now")]),
        ("exam\u00adple x", [("exampl", "exam\u00adple"), ("x", "x")]),
        ("a ½ m²", [("1", "½"), ("2", "½"), ("m2", "m²")]),
        ("東京タ", [("東京", "東京"), ("京タ", "京タ")]),
        ("I\u0307zmir x", [("i̇zmir", "I\u0307zmir"), ("x", "x")]),
        ("‘tents’", [("tent", "tents")]),
        ("🙂 tent 🙂", [("tent", "tent")]),
        ("ㄱㅏ x", [("가", "ㄱㅏ"), ("x", "x")]),
    ],
)
def test_a_place_is_what_a_reader_sees_of_the_term(text: str, places: list[tuple[str, str]]) -> None:
    assert [(term, text[start:end]) for term, start, end in located(text)] == places


def test_every_character_alone_and_between_others_keeps_the_count() -> None:
    """Nothing that Unicode composes, drops or multiplies moves what stands behind it."""
    letters = (chr(code) for code in range(sys.maxunicode + 1) if unicodedata.normalize("NFKC", chr(code)) != chr(code))
    text = " ".join(f"가{letter}e{letter} tent" for letter in letters if not 0xD800 <= ord(letter) <= 0xDFFF)
    assert all(text[start:end].startswith("tent") for term, start, end in located(text) if term == "tent")
