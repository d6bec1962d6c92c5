"""Messages that transfer a collection's term statistics and centroids from a node to the master."""

from __future__ import annotations

from fleetfold_shared.ids import Slug
from fleetfold_shared.messages.base import Message

__all__ = ["StatisticsChunk", "StatisticsRequest"]


class StatisticsRequest(Message, frozen=True, kw_only=True):
    """`call.<node>.statistics`: request the changes of a collection's statistics since the epoch `since` of this
    `incarnation`.
    """

    collection: Slug
    incarnation: str = ""
    since: int = 0
    offset: int = 0


class StatisticsChunk(Message, frozen=True, kw_only=True):
    """One chunk of a transfer. `terms` is zlib over JSON `{term: df}`, absolute values, 0 for a removed term.

    `full`: the receiver must discard its former statistics. `next_offset` is absent in the last chunk, which has the
    `centroids`: up to 16 (n x dimensions) of the clusters of the collection's vectors, unit length, little-endian
    float16, row by row, and in `sizes` (n) the number of documents of each. `analyzer` made the terms and `embedder`
    the vectors: statistics of different ones are never merged. They are empty where the node does not declare them.
    """

    incarnation: str
    epoch: int
    documents: int
    length: int
    full: bool
    terms: bytes
    next_offset: int | None = None
    centroids: bytes = b""
    sizes: list[int] = []
    analyzer: str = ""
    embedder: str = ""
