"""Text analysis: the analyzer that turns text into terms, the same on every node and named in every search.

Unicode is normalised (NFKC) and lower-cased, cut into runs of letters and digits, freed of English function words
and stemmed by Snowball's English rules. Scripts written without spaces (Chinese, Japanese, Thai and their kin) become
overlapping pairs of characters. For ASCII text the runs are exactly those of `[a-z0-9]`.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from fleetfold_shared.text.offset_map import OffsetMap

__all__ = ["ANALYZER", "MAX_QUERY_CHARS", "MAX_TERM_CHARS", "located", "query_terms", "tokens"]

ANALYZER = "snowball-en-1"
"""Name of the analyzer, sent with every search; it changes whenever `tokens` returns other terms for any text."""

MAX_QUERY_CHARS = 2000
"""Most characters read of a query: more words cost time and add little."""

MAX_TERM_CHARS = 64
"""Longest term: longer runs are encoded data, not words, and are cut."""

_FUNCTION_WORDS = """
    a an the and or but if then than so as of at by for from in into on onto to with without about
    is am are was were be been being do does did have has had having
    i me my we us our you your he him his she her it its they them their
    this that these those there here what which who whom when where why how
    no not nor can will would could should may
    """
_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())

_ASCII_RUN = re.compile("[a-z0-9]+")
# Han with its extensions, kana, Thai, Lao, Myanmar and Khmer: no spaces between words
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_MARKS_IN = range(0x300, 0x1F000)  # the range that contains all combining marks
# NFKC would join the trade mark's letters with the word before it; soft hyphens and joiners stand inside words
_BEFORE = str.maketrans({"™": " ", "℠": " ", "İ": "i"} | dict.fromkeys("\u00ad\u200c\u200d\u2060\ufeff"))

_threads = threading.local()


def tokens(text: str) -> list[str]:
    """Return the terms of `text`, in order, with repetitions; empty for function words alone."""
    return [term for term in map(_term, _runs(text)) if term]


def query_terms(text: str) -> dict[str, int]:
    """Return the frequency of each term in a query; only its first `MAX_QUERY_CHARS` characters are read.

    A query of function words alone has no terms: it is answered by its vector.
    """
    return dict(Counter(tokens(text[:MAX_QUERY_CHARS])))


def located(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the terms of `text` as `tokens` returns them, each with its place `text[start:end]`, in code points.

    Pairs of an unspaced script overlap, and the parts of a decomposed character (½, ㎏) share its place.
    """
    clean = _normalised(text)
    place = _same_place if clean == text.lower() and len(clean) == len(text) else OffsetMap(text, _BEFORE).place
    for run, start, end in _located_runs(clean):
        if term := _term(run):
            yield (term, *place(start, end))


def _runs(text: str) -> list[str]:
    text = _normalised(text)
    if text.isascii():
        return _ASCII_RUN.findall(text)
    runs: list[str] = []
    for unspaced, spaced in _unicode_run().findall(text):
        if spaced:
            runs.append(spaced)
        else:
            runs.extend(_pairs(unspaced))
    return runs


def _located_runs(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield `_runs` of a normalised text with their places. Separate from `_runs`, which is faster."""
    for found in (_ASCII_RUN if text.isascii() else _unicode_run()).finditer(text):
        start, end = found.span()
        if found.lastindex == 1:
            yield from ((pair, start + i, start + i + len(pair)) for i, pair in enumerate(_pairs(found[1])))
        else:
            yield found[0], start, end


def _normalised(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text.translate(_BEFORE)).lower()


def _same_place(start: int, end: int) -> tuple[int, int]:
    return start, end


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


@cache
def _unicode_run() -> re.Pattern[str]:
    """Return a pattern for a run of an unspaced script (group 1) or any other run of letters, digits and their
    combining marks (group 2).
    """
    marks = "".join(chr(code) for code in _MARKS_IN if unicodedata.category(chr(code)).startswith("M"))
    unspaced = f"(?:(?![_\\W])[{_UNSPACED}]|(?<=[{_UNSPACED}])[{marks}])"
    return re.compile(f"({unspaced}+)|((?:(?![_{_UNSPACED}])(?:\\w|[{marks}]))+)")


@lru_cache(maxsize=1 << 17)
def _term(word: str) -> str:
    """Return the stem of a word, empty for a function word. Cached, because words repeat and stemming is slow."""
    return "" if word in _STOP_WORDS else str(_stemmer().stemWord(word[:MAX_TERM_CHARS]))


def _stemmer() -> Any:
    """Return this thread's stemmer: PyStemmer's are not thread-safe."""
    try:
        return _threads.stemmer
    except AttributeError:
        import Stemmer  # here, so that the command line starts without it

        _threads.stemmer = Stemmer.Stemmer("english")
        return _threads.stemmer
