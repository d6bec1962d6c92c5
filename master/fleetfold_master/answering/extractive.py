"""Extractive answers, without a model: the sentences most relevant to the question, each with its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fleetfold_master.answering.passages import ExtractedPassage
from fleetfold_master.answering.sentences import Sentence

__all__ = ["extract"]

MOST_SENTENCES = 4
MOST_CHARS = 900
LEAST_OF_BEST = 0.5
"""A sentence with less than this share of the best one's relevance is left out."""
AGAINST_REPETITION = 0.3
"""Weight of similarity to chosen sentences against relevance: 1 - lambda of maximal marginal relevance (Carbonell
and Goldstein 1998).
"""


class _Candidate(NamedTuple):
    n: int
    sentence: Sentence
    relevance: float


def extract(readings: Sequence[ExtractedPassage]) -> tuple[str, set[int]]:
    """Up to four sentences, one a line, in the order of their sources and positions; and the numbers of their
    sources."""
    chosen = sorted(_chosen(_candidates(readings)), key=_place)
    return "\n".join(f"{one.sentence.text} [{one.n}]" for one in chosen), {one.n for one in chosen}


def _candidates(readings: Sequence[ExtractedPassage]) -> list[_Candidate]:
    """Half of a sentence's relevance is its document's, relative to the best one, by which the fleet ranked."""
    best = max((reading.passage.score for reading in readings), default=0.0) or 1.0
    return [
        _Candidate(reading.passage.n, one, one.relevance * (0.5 + 0.5 * reading.passage.score / best))
        for reading in readings
        for one in reading.sentences
    ]


def _chosen(candidates: list[_Candidate]) -> list[_Candidate]:
    chosen: list[_Candidate] = []
    least = LEAST_OF_BEST * max((one.relevance for one in candidates), default=0.0)
    left, room = [one for one in candidates if one.relevance >= least], MOST_CHARS
    while left and len(chosen) < MOST_SENTENCES:
        best = max(left, key=lambda one: (_marginal(one, chosen), -one.n, -one.sentence.place))
        left.remove(best)
        if (not chosen or len(best.sentence.text) <= room) and not _said(best, chosen):
            chosen.append(best)
            room -= len(best.sentence.text)
    return chosen


def _marginal(one: _Candidate, chosen: list[_Candidate]) -> float:
    return (1 - AGAINST_REPETITION) * one.relevance - AGAINST_REPETITION * _likeness(one, chosen)


def _said(one: _Candidate, chosen: list[_Candidate]) -> bool:
    return any(one.sentence.text.casefold() == other.sentence.text.casefold() for other in chosen)


def _likeness(one: _Candidate, chosen: list[_Candidate]) -> float:
    return max((float(one.sentence.vector @ other.sentence.vector) for other in chosen), default=0.0)


def _place(one: _Candidate) -> tuple[int, int]:
    return one.n, one.sentence.place
