"""Truncation of hits to a message's size: fewer of them where a page follows, otherwise the largest values of each are
cut.
"""

from __future__ import annotations

from typing import TypeVar

from fleetfold_shared.hit_cutting import cut_to, json_bytes
from fleetfold_shared.messages.search import Hit, ScoredDocument, SearchAnswer

__all__ = ["MAX_ANSWER_BYTES", "MAX_HIT_BYTES", "cut_to_fit", "first_that_fit", "is_cut_short", "whole_that_fit"]

MAX_ANSWER_BYTES = 768 * 1024
"""Most bytes of the hits in one answer; the broker's limit is 1 MB."""

MAX_HIT_BYTES = MAX_ANSWER_BYTES // 2
"""Most bytes of one hit in a node's answer; its largest values are cut. So a node that has more hits than it sends
fills at least half of its answer.
"""

H = TypeVar("H", Hit, ScoredDocument)


def first_that_fit(hits: list[H], most: int = MAX_ANSWER_BYTES) -> list[H]:
    """Return the first hits that fit; the rest is for the next page. A hit over `most` bytes is cut, so there is at
    least one.
    """
    room = MAX_ANSWER_BYTES
    fitted = list[H]()
    for one in hits:
        cut = cut_to(one, most)
        room -= json_bytes(cut)
        if room < 0 and fitted:
            break
        fitted.append(cut)
    return fitted


def is_cut_short(answer: SearchAnswer, k: int) -> bool:
    """Tell whether a node has more of the `k` requested hits than fit into its message."""
    return answer.more and 0 < len(answer.hits) < k


def cut_to_fit(hits: list[H]) -> list[H]:
    """Return all hits, with those over their equal share of the message cut to it and marked."""
    if sum(map(json_bytes, hits)) <= MAX_ANSWER_BYTES:
        return hits
    share = MAX_ANSWER_BYTES // len(hits)
    return [cut_to(one, share) for one in hits]


def whole_that_fit(hits: list[H], least: int) -> list[H]:
    """Return the first hits that fit whole; at least `least`, which `cut_to_fit` may cut."""
    room = MAX_ANSWER_BYTES
    for place, one in enumerate(hits):
        room -= json_bytes(one)
        if room < 0:
            return cut_to_fit(hits[: max(place, least)])
    return hits
