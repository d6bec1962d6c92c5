"""The master's copy of each collection's statistics, and many of them seen as one corpus."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.statistics_messages import StatisticsAsk, StatisticsChunk
from fleetfold_shared.text.analysis import MAX_TERM_CHARS
from fleetfold_shared.text.centroids import NO_CENTROIDS, Centroids, unpack_centroids
from fleetfold_shared.text.scoring import Corpus

__all__ = [
    "MAX_CHUNKS",
    "MAX_CHUNK_BYTES",
    "MAX_DOCUMENTS",
    "MAX_DOCUMENT_TERMS",
    "MAX_TERMS",
    "MergedCorpus",
    "StatisticsTable",
    "pack_terms",
    "unpack_terms",
]

MAX_CHUNK_BYTES = 512 * 1024
"""The most that a chunk's terms take before compression: in base64 and without any gain it still fits in 1 MB."""

MAX_DOCUMENTS = 10**9
"""A node that claims more documents of one collection, or more of them with a term, is not believed."""

MAX_LENGTH = 10**13
"""The most terms that all documents of a collection may have together."""

MAX_DOCUMENT_TERMS = 10**7
"""The most terms that the documents of a collection may have on average: a longer mean would outgrow a cursor."""

MAX_CHUNKS = 10_000
"""The most parts of one transfer. Honest ones of `MAX_TERMS` terms take a few thousand."""

MAX_TERMS = 4_000_000
"""The most different terms of one collection: about 400 MB. A million web pages have half as many."""

_MOST_NAME_CHARS = 200

_Term = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TERM_CHARS)]
_decoder = msgspec.json.Decoder(dict[_Term, Annotated[int, msgspec.Meta(ge=0, le=MAX_DOCUMENTS)]])


def pack_terms(dfs: dict[str, int]) -> bytes:
    """`{term: df}` as it travels in a chunk: zlib over JSON."""
    return zlib.compress(msgspec.json.encode(dfs))


def unpack_terms(data: bytes) -> dict[str, int]:
    """What `pack_terms` made.

    `InvalidInput` if it is anything else, such as a negative count or a term that no analyzer makes, or if it inflates
    to more than a chunk may hold.
    """
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(data, 2 * MAX_CHUNK_BYTES)
        dfs = _decoder.decode(text)
    except (zlib.error, msgspec.DecodeError) as error:
        raise InvalidInput(f"terms: not a chunk of statistics: {error}", field="terms") from None
    return dfs


class StatisticsTable:
    """What is known of one collection of one node. A `Corpus`; empty until the first transfer is complete.
    `analyzer` made its terms and `embedder` its vectors; they are empty where the node does not say.

    Ask with `ask`, feed each answer to `apply`, until it says that the transfer is complete. What was known stays in
    use until then. Counts are absolute, so a transfer that is repeated or overtaken does no harm.
    """

    def __init__(self) -> None:
        self.documents = 0
        self.length = 0
        self.incarnation = ""
        self.epoch = 0
        self.centroids = NO_CENTROIDS
        self.analyzer = ""
        self.embedder = ""
        self._dfs: dict[str, int] = {}
        self._transfer: _Transfer | None = None

    def df(self, term: str) -> int:
        return min(self._dfs.get(term, 0), self.documents)  # more than there are is stale, or a lie

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
        """Take in one answer; true when the transfer is complete, false when `ask` has more to ask.

        `InvalidInput` for a chunk that no node of ours sends; then `restart`, and what was known stays.
        """
        _check_counts(chunk)
        transfer = self._transfer
        if transfer is None or chunk.full:
            transfer = self._transfer = _Transfer(chunk.incarnation, chunk.epoch, chunk.full, {}, 0)
        if chunk.incarnation != (self.incarnation if not transfer.full else transfer.incarnation):
            raise InvalidInput("incarnation: a difference to what nobody here holds", field="incarnation")
        transfer.take(chunk)
        if chunk.next_offset is not None:
            return False
        self.centroids = unpack_centroids(chunk.centroids, chunk.sizes)
        self._complete(transfer, chunk)
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
        self.analyzer, self.embedder = last.analyzer, last.embedder
        self._transfer = None


@dataclass(slots=True)
class _Transfer:
    """Chunks on their way to becoming the table."""

    incarnation: str
    epoch: int
    full: bool
    dfs: dict[str, int]
    offset: int
    chunks: int = 0

    def take(self, chunk: StatisticsChunk) -> None:
        """One chunk more. Each goes further than the one before, so that no node can make it endless."""
        self.chunks += 1
        if self.chunks > MAX_CHUNKS:
            raise InvalidInput(f"next_offset: more than {MAX_CHUNKS} chunks of one collection", field="next_offset")
        self.dfs.update(unpack_terms(chunk.terms))
        if len(self.dfs) > MAX_TERMS:
            raise InvalidInput(f"terms: more than {MAX_TERMS} of one collection", field="terms")
        if chunk.next_offset is not None:
            if chunk.next_offset <= self.offset:
                raise InvalidInput(f"next_offset: {chunk.next_offset} does not go on", field="next_offset")
            self.offset = chunk.next_offset


def _check_counts(chunk: StatisticsChunk) -> None:
    for field, count, most in (
        ("documents", chunk.documents, MAX_DOCUMENTS), ("length", chunk.length, MAX_LENGTH),
        ("epoch", chunk.epoch, 2**63),
    ):  # fmt: skip
        if not 0 <= count <= most:
            raise InvalidInput(f"{field}: {count} is outside 0-{most}", field=field)
    if chunk.length > chunk.documents * MAX_DOCUMENT_TERMS:
        why = f"{chunk.length} terms are too many for {chunk.documents} documents"
        raise InvalidInput(f"length: {why}", field="length")
    for field, text in (("incarnation", chunk.incarnation), ("analyzer", chunk.analyzer), ("embedder", chunk.embedder)):
        if len(text) > _MOST_NAME_CHARS:
            raise InvalidInput(f"{field}: it has {len(text)} characters", field=field)


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
        return sum([corpus.df(term) for corpus in self._corpora])  # a list: this is asked for each term and node
