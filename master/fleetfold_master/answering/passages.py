"""Passages: extracts around the best sentences of the documents found, within a token budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleetfold_master.answering.sentences import QuestionTerms, Sentence, sentences
from fleetfold_shared.messages import Hit, Passage

__all__ = ["CHARS_PER_TOKEN", "ExtractedPassage", "read_passages", "tokens_of"]

CHARS_PER_TOKEN = 4
"""Average characters per token of English text, for current tokenizers; other languages and code take more tokens."""
LEAST_CHARS = 160
"""Minimum length of a passage in characters: about a sentence."""
FRAME_CHARS = 24
"""Characters around a passage in the prompt."""
OF_A_NEIGHBOUR = 0.5
"""The share of a sentence's relevance added to its neighbours, so that related sentences stay together."""
LEAST_OF_BEST = 0.25
"""A sentence with less than this share of the best one's total relevance is left out."""
GAP = " … "


@dataclass(frozen=True, slots=True)
class ExtractedPassage:
    """A passage, and its sentences."""

    passage: Passage
    sentences: list[Sentence]


def read_passages(hits: Sequence[Hit], interest: QuestionTerms, budget_tokens: int) -> list[ExtractedPassage]:
    """For each hit, best first, what fits into its share of the remaining budget, in proportion to its score.

    Each gets at least one passage, until the budget is used up.
    """
    left, scores = budget_tokens * CHARS_PER_TOKEN, [hit.score for hit in hits]
    readings: list[ExtractedPassage] = []
    for place, hit in enumerate(hits):
        title = " ".join(sentences(hit.title))[:LEAST_CHARS]
        share = max(LEAST_CHARS, int(left * scores[place] / sum(scores[place:]))) - len(title) - FRAME_CHARS
        room = min(share, left - len(title) - FRAME_CHARS)
        if room < LEAST_CHARS // 4:
            break
        weighed = interest.weighed(sentences(hit.content) or [title], title)
        chosen = _chosen(weighed, room)
        text = _joined(chosen)[:room]
        n = len(readings) + 1
        readings.append(ExtractedPassage(Passage(n, hit.node, hit.collection, hit.id, title, text, hit.score), chosen))
        left -= len(text) + len(title) + FRAME_CHARS
    return readings


def tokens_of(passages: Iterable[Passage]) -> int:
    """Approximate number of tokens."""
    return sum(len(one.title) + len(one.text) + FRAME_CHARS for one in passages) // CHARS_PER_TOKEN


def _chosen(weighed: list[Sentence], room: int) -> list[Sentence]:
    """All sentences if they fit, else the most relevant ones and their neighbours, in document order; at least one."""
    if sum(len(one.text) + 1 for one in weighed) <= room:
        return weighed
    worth = [_with_neighbours(weighed, place) for place in range(len(weighed))]
    least, chosen = LEAST_OF_BEST * max(worth), list[Sentence]()
    for one in sorted(weighed, key=lambda one: (-worth[one.place], one.place)):
        if worth[one.place] < least:
            break
        if not chosen or len(one.text) + len(GAP) <= room:
            chosen.append(one)
            room -= len(one.text) + len(GAP)
        if room < LEAST_CHARS // 4:
            break
    return sorted(chosen, key=lambda one: one.place)


def _with_neighbours(weighed: list[Sentence], place: int) -> float:
    beside = [weighed[i].relevance for i in (place - 1, place + 1) if 0 <= i < len(weighed)]
    return weighed[place].relevance + OF_A_NEIGHBOUR * max(beside, default=0.0)


def _joined(chosen: Sequence[Sentence]) -> str:
    text, before = "", -1
    for one in chosen:
        gap = "" if not text else " " if one.place == before + 1 else GAP
        text, before = text + gap + one.text, one.place
    return text
