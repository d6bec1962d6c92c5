"""The term statistics and centroids of a collection, as they travel from a node to the master."""

from __future__ import annotations

from fleetfold_shared.ids import Slug
from fleetfold_shared.messages.base import Message

__all__ = ["StatisticsAsk", "StatisticsChunk"]


class StatisticsAsk(Message, frozen=True, kw_only=True):
    """`call.<node>.statistics`: what changed in a collection's statistics since `since` of this `incarnation`."""

    collection: Slug
    incarnation: str = ""
    since: int = 0
    offset: int = 0


class StatisticsChunk(Message, frozen=True, kw_only=True):
    """A part of a delta. `terms` is zlib over JSON `{term: df}`, absolute values, 0 for a term that is gone.

    `full` says that the receiver must forget what it held; `next_offset` is absent in the last chunk, which has the
    `centroids`: up to 16 of the collection's vectors' clusters, unit length, little-endian float16, one after another,
    and in `sizes` how many documents each stands for. `analyzer` made the terms and `embedder` the vectors:
    statistics of others are never merged. They are empty where the node does not say.
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
