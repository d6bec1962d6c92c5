"""Near-duplicates: two listings of one thing, as opposed to its variants. In doubt, two hits stay two.

docs/explanation/duplicates.md says how the thresholds were chosen, and what they achieve.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fleetfold_master.search.merge.deduplication import Candidate
from fleetfold_shared.text.analysis import tokens
from fleetfold_shared.text.embedding import unit_rows
from fleetfold_shared.text.scoring import Corpus, idf

__all__ = ["MIN_COSINE", "MIN_OVERLAP", "NearDuplicates", "near_duplicates_in"]

MIN_OVERLAP = 0.98
"""Minimum weight of the titles' common words, relative to all their words, each by its idf."""

MIN_COSINE = 0.95
"""Minimum cosine of the documents' embeddings."""

_READ_CHARS = 20_000  # of a content
_NUMBER = re.compile(r"[^\W_]*\d[^\W_]*(?:[.,/][^\W_]*\d[^\W_]*)*")
_WORD = re.compile(r"[^\W\d_]+")
_COLOURS = """
    black white red green blue yellow orange purple pink brown grey gray silver gold golden beige navy teal turquoise
    aqua ivory cream coral lavender violet magenta cyan maroon burgundy olive khaki tan charcoal graphite bronze copper
    plum mint lime peach rose clear transparent multicolor multicolour camo natural walnut oak cherry sunburst chrome
    nickel
    """
_SIZES = """
    xs s m l xl xxl xxxl x small medium large mini maxi big tiny short long tall wide narrow slim thin thick twin single
    double triple full queen king petite plus regular junior
    """
_KINDS = """
    left right front rear back top bottom upper lower inner outer men mens women womens man woman boys girls boy girl
    kids adult adults youth baby new used renewed refurbished pack pair set case box bundle
    """
_NEGATIONS = "no not non without with free refill replacement for compatible"
_TELLING = frozenset(f"{_COLOURS} {_SIZES} {_KINDS} {_NEGATIONS}".split())
"""Words by which variants differ: both titles must contain them equally often."""


@dataclass(frozen=True, eq=False)
class _Profile:
    """The compared features. `words` have idf weights; `numbers` and `telling` are the title's, with repeats."""

    words: dict[str, float]
    numbers: tuple[str, ...]
    telling: tuple[str, ...]
    content: str
    packed: bytes | None

    @cached_property
    def vector(self) -> NDArray[np.float32] | None:
        if self.packed is None or len(self.packed) % 2:
            return None
        row: NDArray[np.float32] = unit_rows(np.frombuffer(self.packed, dtype="<f2")[np.newaxis])[0]
        return row

    @cached_property
    def content_numbers(self) -> Counter[str]:
        return Counter(_NUMBER.findall(_plain(self.content)))


class NearDuplicates:
    """Compares pairs of hits; `weight` is the idf of a term. Each hit's features are extracted once, when first
    needed."""

    def __init__(self, weight: Callable[[str], float]) -> None:
        self._weight = weight
        self._profiles: dict[int, tuple[Candidate, _Profile]] = {}

    def __call__(self, one: Candidate, other: Candidate) -> bool:
        """Whether both are nearly the same: by title, numbers, words that distinguish variants, and embedding."""
        a, b = self._profile(one), self._profile(other)
        return (
            a.numbers == b.numbers
            and a.telling == b.telling
            and _overlap(a.words, b.words) >= MIN_OVERLAP
            and _cosine(a.vector, b.vector) >= MIN_COSINE
            and (a.content_numbers <= b.content_numbers or b.content_numbers <= a.content_numbers)
        )

    def _profile(self, candidate: Candidate) -> _Profile:
        known = self._profiles.get(id(candidate))
        if known is None:
            known = self._profiles[id(candidate)] = candidate, self._read(candidate)
        return known[1]

    def _read(self, candidate: Candidate) -> _Profile:
        title = _plain(candidate.hit.title)
        return _Profile(
            words={term: self._weight(term) for term in tokens(title)},
            numbers=tuple(sorted(_NUMBER.findall(title))),
            telling=tuple(sorted(word for word in _WORD.findall(title) if word in _TELLING)),
            content=candidate.hit.content[:_READ_CHARS],
            packed=candidate.marks.vector,
        )


def near_duplicates_in(corpus: Corpus) -> NearDuplicates:
    """A comparison weighted by the idf of terms in `corpus`."""
    documents = corpus.documents
    return NearDuplicates(lambda term: idf(documents, corpus.df(term)))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _overlap(one: dict[str, float], other: dict[str, float]) -> float:
    """The overlap of the titles; 0 if each has a word that the other lacks: one replaced the other, as in a variant."""
    fewer, more = sorted((one, other), key=len)
    if not fewer or not fewer.keys() <= more.keys():
        return 0.0
    return sum(fewer.values()) / sum(more.values())


def _cosine(one: NDArray[np.float32] | None, other: NDArray[np.float32] | None) -> float:
    """The cosine of the vectors; 0 if either is missing, or their lengths differ."""
    return float(one @ other) if one is not None and other is not None and len(one) == len(other) else 0.0
