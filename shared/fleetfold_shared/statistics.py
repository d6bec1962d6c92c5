"""The master's copy of each collection's statistics, and many of them seen as one corpus."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from fleetfold_shared.centroids import NO_CENTROIDS, Centroids, unpack_centroids
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.statistics import StatisticsAsk, StatisticsChunk
from fleetfold_shared.scoring import Corpus

__all__ = ["MAX_CHUNK_BYTES", "MergedCorpus", "StatisticsTable", "pack_terms", "unpack_terms"]

MAX_CHUNK_BYTES = 512 * 1024
"""The most that a chunk's terms take before compression: in base64 and without any gain it still fits in 1 MB."""

_decoder = msgspec.json.Decoder(dict[str, Annotated[int, msgspec.Meta(ge=0)]])


def pack_terms(dfs: dict[str, int]) -> bytes:
    """`{term: df}` as it travels in a chunk: zlib over JSON."""
    return zlib.compress(msgspec.json.encode(dfs))


def unpack_terms(data: bytes) -> dict[str, int]:
    """What `pack_terms` made. `InvalidInput` if it is anything else, or inflates to more than a chunk may hold."""
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(data, 2 * MAX_CHUNK_BYTES)
        dfs = _decoder.decode(text)
    except (zlib.error, msgspec.DecodeError) as error:
        raise InvalidInput(f"terms: not a chunk of statistics: {error}", field="terms") from None
    return dfs


class StatisticsTable:
    """What is known of one collection of one node. A `Corpus`; empty until the first transfer is complete.

    Ask with `ask`, feed each answer to `apply`, until it says that the transfer is complete. What was known stays in
    use until then. Counts are absolute, so a transfer that is repeated or overtaken does no harm.
    """

    def __init__(self) -> None:
        self.documents = 0
        self.length = 0
        self.incarnation = ""
        self.epoch = 0
        self.centroids = NO_CENTROIDS
        self._dfs: dict[str, int] = {}
        self._transfer: _Transfer | None = None

    def df(self, term: str) -> int:
        return self._dfs.get(term, 0)

    def ask(self, collection: str) -> StatisticsAsk:
        """What to ask of the node next: what changed since `epoch`, or the rest of a transfer that has begun."""
        if self._transfer is None:
            return StatisticsAsk(collection=collection, incarnation=self.incarnation, since=self.epoch)
        under_way = self._transfer
        since = 0 if under_way.full else self.epoch
        return StatisticsAsk(
            collection=collection, incarnation=under_way.incarnation, since=since, offset=under_way.offset
        )

    def apply(self, chunk: StatisticsChunk) -> bool:
        """Take in one answer; true when the transfer is complete, false when `ask` has more to ask."""
        if self._transfer is None or chunk.full or chunk.incarnation != self._transfer.incarnation:
            self._transfer = _Transfer(chunk.incarnation, chunk.epoch, chunk.full, {}, 0)
        self._transfer.dfs.update(unpack_terms(chunk.terms))
        if chunk.next_offset is not None:
            self._transfer.offset = chunk.next_offset
            return False
        self.centroids = unpack_centroids(chunk.centroids, chunk.sizes)
        self._complete(self._transfer, chunk)
        return True

    def restart(self) -> None:
        """Forget a transfer that was broken off; the next `ask` begins it anew."""
        self._transfer = None

    def _complete(self, transfer: _Transfer, last: StatisticsChunk) -> None:
        dfs = {} if transfer.full else self._dfs
        dfs.update(transfer.dfs)
        for gone in [term for term, df in transfer.dfs.items() if not df]:
            del dfs[gone]
        self._dfs = dfs
        self.documents, self.length = last.documents, last.length
        # the epoch of the first chunk: what changed while the others were sent is sent again next time
        self.incarnation, self.epoch = transfer.incarnation, transfer.epoch
        self._transfer = None


@dataclass(slots=True)
class _Transfer:
    """Chunks on their way to becoming the table."""

    incarnation: str
    epoch: int
    full: bool
    dfs: dict[str, int]
    offset: int


class MergedCorpus:
    """Several corpora as one. Nothing is copied: a query looks up its own terms only."""

    def __init__(self, corpora: Sequence[Corpus]) -> None:
        self._corpora = corpora

    @property
    def parts(self) -> Sequence[Corpus]:
        """Those that are known."""
        return self._corpora

    @property
    def centroids(self) -> list[Centroids]:
        """Of each part that has told any."""
        told = [part.centroids for part in self._corpora if isinstance(part, StatisticsTable)]
        return [one for one in told if len(one)]

    @property
    def documents(self) -> int:
        return sum(corpus.documents for corpus in self._corpora)

    @property
    def length(self) -> int:
        return sum(corpus.length for corpus in self._corpora)

    def df(self, term: str) -> int:
        return sum(corpus.df(term) for corpus in self._corpora)
