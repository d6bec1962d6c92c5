"""Messages that explain a hit: matched terms, composition of the score, and the search of each node."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["CollectionExplained", "Explained", "Highlight", "NodeExplained", "Span", "TermShare"]


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A matched term: the code points from `start` to before `end` of the hit's `field`."""

    field: Literal["title", "content", "snippet"]
    start: int
    end: int


class Highlight(msgspec.Struct, frozen=True, omit_defaults=True):
    """Highlight of a hit: `snippet` is the best passage of the content and starts at offset `at`; `spans` are the
    matched terms, in order.

    The best passage is the one of about 240 characters with the largest sum of term weights; without matches, the
    beginning.
    """

    snippet: str = ""
    at: int = 0
    spans: list[Span] = []


class TermShare(msgspec.Struct, frozen=True, array_like=True):
    """Contribution of a query term: `bm25` before the divisor, `share` after it. `qtf` counts it in the query, `tf` in
    the document.
    """

    term: str
    qtf: int
    tf: int
    idf: float
    bm25: float
    share: float


class Explained(msgspec.Struct, frozen=True):
    """Composition of a score: `score = alpha * bm25 / divisor + (1 - alpha) * cosine`, with `bm25` over all terms; a
    divisor of 0 counts as 1.

    `terms` are those that contribute most; `others` more of the query's are not listed, and contribute `others_bm25`.
    `length` is the document's in terms, `avgdl` the mean over all searched documents.
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
    """Search of one collection on a node. `epoch` is the version of its statistics, `master_epoch` of those the master
    used.

    `master_epoch` is absent when the master had none of this process. `scored` of the `documents` got a score.
    """

    collection: str
    documents: int
    scored: int
    exact: bool
    epoch: int
    master_epoch: int | None = None


class NodeExplained(msgspec.Struct, frozen=True):
    """Why a node was searched or not, with milliseconds inside the node (`inside_ms`) and of the round trip (`way_ms`).

    The sums are over its searched collections; `current`: the master had their present statistics. They are absent
    without an answer. `collections` is truncated where an answer has too many.
    """

    reason: str
    inside_ms: float | None = None
    way_ms: float | None = None
    documents: int | None = None
    scored: int | None = None
    exact: bool | None = None
    current: bool | None = None
    collections: list[CollectionExplained] = []
