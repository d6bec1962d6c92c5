"""What is read of the documents found: passages around what matches, within a budget spread by relevance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleetfold_master.answering.sentences import Interest, Sentence, sentences
from fleetfold_shared.messages import Hit, Passage

__all__ = ["CHARS_PER_TOKEN", "Reading", "read_passages", "tokens_of"]

CHARS_PER_TOKEN = 4
"""About what a token is in English text, for all tokenizers in use; other languages and code take more tokens."""
LEAST_CHARS = 160
"""A passage that is not worth less: about a sentence."""
FRAME_CHARS = 24
"""What stands around a passage in the prompt."""
OF_A_NEIGHBOUR = 0.5
"""How much of a sentence's relevance the ones beside it get, so that what belongs together is read together."""
LEAST_OF_BEST = 0.25
"""A sentence whose worth, with that, is less than this share of the best one's is not read: it only fills the room."""
GAP = " … "


@dataclass(frozen=True, slots=True)
class Reading:
    """A passage, and the sentences it is made of."""

    passage: Passage
    sentences: list[Sentence]


def read_passages(hits: Sequence[Hit], interest: Interest, budget_tokens: int) -> list[Reading]:
    """Of each hit, best first, what fits into its share of the budget: by its score, of what those before have left.

    Each gets a passage at least, until the budget is used up.
    """
    left, scores = budget_tokens * CHARS_PER_TOKEN, [hit.score for hit in hits]
    readings: list[Reading] = []
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
        readings.append(Reading(Passage(n, hit.node, hit.collection, hit.id, title, text, hit.score), chosen))
        left -= len(text) + len(title) + FRAME_CHARS
    return readings


def tokens_of(passages: Iterable[Passage]) -> int:
    """About how many tokens they are."""
    return sum(len(one.title) + len(one.text) + FRAME_CHARS for one in passages) // CHARS_PER_TOKEN


def _chosen(weighed: list[Sentence], room: int) -> list[Sentence]:
    """All sentences if they fit, else those that say most, with their neighbours; in their order. One at least."""
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
