"""Sentences of a document, and their relevance to a question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from fleetfold_shared.text.analysis import tokens
from fleetfold_shared.text.embedding import Embedder, Vectors
from fleetfold_shared.text.scoring import score

__all__ = ["QuestionTerms", "Sentence", "sentences"]

MOST_CHARS = 100_000
"""How many characters of a document are read."""
MOST_EMBEDDED = 40
"""The most sentences of a document that are embedded: those that share most terms with the question."""
OF_THE_TITLE = 0.5
LONGEST = 400
"""Maximum length of a sentence in characters; a longer one, such as a table, is cut between words."""

_END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[^a-z])|(?<=[。！？])|\s*\n\s*")
_CITATION = re.compile(r"\[(\d[\d\s,]*)\]")


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """One sentence; `place` is its index in the document, `relevance` is from 0 to 1."""

    text: str
    place: int
    relevance: float
    vector: Vectors


def sentences(text: str) -> list[str]:
    """The sentences of `text` in order. A `[1]` in it becomes `(1)`, because only answers cite in that form."""
    plain = _CITATION.sub(r"(\1)", text[:MOST_CHARS])
    return [part for piece in _END.split(plain) if piece.strip() for part in _short(" ".join(piece.split()))]


class QuestionTerms:
    """The question's terms with their idf over the fleet, and its vector."""

    def __init__(self, question: str, idfs: Mapping[str, float], embedder: Embedder) -> None:
        self._idfs, self._total = idfs, sum(idfs.values()) or 1.0
        self._embedder = embedder
        self._vector = embedder.embed([question])[0]

    def weighed(self, texts: list[str], title: str = "") -> list[Sentence]:
        """The texts with their relevance: 0.7 x the share of the question's idf in it + 0.3 x cosine, as the search
        weighs documents. A term of the title alone counts half, because it applies to all of them."""
        above = set(tokens(title))
        overlaps = [self._overlap(text, above) for text in texts]
        chosen = sorted(range(len(texts)), key=lambda i: (-overlaps[i], i))[:MOST_EMBEDDED]
        vectors = np.zeros((len(texts), self._embedder.dimensions), dtype=np.float32)
        if chosen:
            vectors[chosen] = self._embedder.embed([texts[i] for i in chosen])
        cosines = vectors @ self._vector
        return [
            Sentence(text, place, score(overlaps[place], float(cosines[place])), vectors[place])
            for place, text in enumerate(texts)
        ]

    def _overlap(self, text: str, title: AbstractSet[str]) -> float:
        said = set(tokens(text))
        mass = sum(idf * ((term in said) or OF_THE_TITLE * (term in title)) for term, idf in self._idfs.items())
        return mass / self._total


def _short(sentence: str) -> Iterator[str]:
    while len(sentence) > LONGEST:
        cut = sentence.rfind(" ", LONGEST // 2, LONGEST)
        cut = LONGEST if cut < 0 else cut
        yield sentence[:cut]
        sentence = sentence[cut:].lstrip()
    if sentence:
        yield sentence
