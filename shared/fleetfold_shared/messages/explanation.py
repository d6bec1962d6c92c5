"""Where a hit has what was asked for, what its score is made of, and why and how each node was asked."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["CollectionExplained", "Explained", "Highlight", "NodeExplained", "Span", "TermShare"]


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A matched term: the Unicode characters (code points) from `start` to before `end` of that text of the hit."""

    field: Literal["title", "content", "snippet"]
    start: int
    end: int


class Highlight(msgspec.Struct, frozen=True, omit_defaults=True):
    """`snippet` is the best passage of the content, which it begins `at`; `spans` mark the terms, in their order.

    The best passage is the one of about 240 characters whose terms weigh most. Without any it is the beginning.
    """

    snippet: str = ""
    at: int = 0
    spans: list[Span] = []


class TermShare(msgspec.Struct, frozen=True, array_like=True):
    """What a query term adds: `bm25` before the divisor, `share` after it. `qtf` is in the query, `tf` the document."""

    term: str
    qtf: int
    tf: int
    idf: float
    bm25: float
    share: float


class Explained(msgspec.Struct, frozen=True):
    """`score = alpha * bm25 / divisor + (1 - alpha) * cosine`, where `bm25` is that of all terms; a divisor of 0 is 1.

    `terms` are those that add most; `others` of the query's are not listed, and add `others_bm25`. `length` is the
    document's in terms, `avgdl` the mean of all that are searched.
    """

    alpha: float
    bm25: float
    divisor: float
    cosine: float
    length: int
    avgdl: float
    terms: list[TermShare]
    others: int = 0
    others_bm25: float = 0.0


class CollectionExplained(msgspec.Struct, frozen=True):
    """How a node searched one collection. `epoch` is that of its statistics, `master_epoch` of those the master used.

    `master_epoch` is absent when the master had none of this process. `scored` of the `documents` got a score.
    """

    collection: str
    documents: int
    scored: int
    exact: bool
    epoch: int
    master_epoch: int | None = None


class NodeExplained(msgspec.Struct, frozen=True):
    """Why a node was asked or not; milliseconds inside the node and on the way to it and back.

    The sums are over its collections that were searched; `current` says whether the master's statistics are theirs.
    They are absent without an answer. `collections` is cut short where an answer has too many.
    """

    reason: str
    inside_ms: float | None = None
    way_ms: float | None = None
    documents: int | None = None
    scored: int | None = None
    exact: bool | None = None
    current: bool | None = None
    collections: list[CollectionExplained] = []
