from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_shared.text import analysis
from fleetfold_shared.text.analysis import MAX_QUERY_CHARS, query_terms, tokens


def test_words_are_lower_cased_stemmed_and_freed_of_function_words() -> None:
    assert tokens("The Cats were running to the Libraries") == ["cat", "run", "librari"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("CAFÉ naïve", ["café", "naïv"]),
        ("cafe\u0301", ["café"]),  # composed and decomposed are one word
        ("ｆｕｌｌｗｉｄｔｈ １２", ["fullwidth", "12"]),
        ("Kindle™ – now", ["kindl", "now"]),  # not «kindletm»
        ("exam\u00adple", ["exampl"]),
        ("Ключи и замки", ["ключи", "и", "замки"]),
        ("हिन्दी में", ["हिन्दी", "में"]),  # vowel signs belong to the word
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("iPhone手机", ["iphon", "手机"]),
        ("猫", ["猫"]),
        ("snake_case x-ray", ["snake", "case", "x", "ray"]),
        ("½ m²", ["1", "2", "m2"]),
        ("🙂 … !", []),
        ("", []),
    ],
)
def test_unicode_text_has_terms_like_ascii(text: str, terms: list[str]) -> None:
    assert tokens(text) == terms


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_text_is_cut_into_runs_of_letters_and_digits(text: str) -> None:
    def unstemmed(found: list[str]) -> int:
        return len(found)

    words = [word for word in re.findall("[a-z0-9]+", text.lower()) if tokens(word)]
    assert unstemmed(tokens(text)) == len(words)
    assert tokens(text) == [term for word in words for term in tokens(word)]


@given(st.text())
def test_terms_are_never_empty_nor_hold_blanks(text: str) -> None:
    assert all(term and not re.search(r"\s", term) for term in tokens(text))


def test_a_query_counts_its_terms() -> None:
    assert query_terms("red shoes, red hats") == {"red": 2, "shoe": 1, "hat": 1}


def test_a_query_of_function_words_has_no_terms() -> None:
    assert query_terms("to be or not to be") == {}


def test_of_a_huge_query_only_the_beginning_is_analysed(monkeypatch: pytest.MonkeyPatch) -> None:
    analysed = list[str]()
    monkeypatch.setattr(analysis, "tokens", lambda text: analysed.append(text) or tokens(text))
    terms = query_terms("żółw " * 20_000)
    assert sum(terms.values()) == MAX_QUERY_CHARS / 5
    assert sum(map(len, analysed)) <= MAX_QUERY_CHARS


def test_threads_may_analyse_at_the_same_time() -> None:
    words = [f"running{i} libraries{i}" for i in range(500)]
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: [tokens(word) for word in words], range(16)))
    assert all(result == results[0] for result in results)
