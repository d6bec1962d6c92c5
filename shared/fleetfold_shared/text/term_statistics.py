"""Term statistics: the master's copy for each collection, and several of them merged as one corpus."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.statistics_messages import StatisticsChunk, StatisticsRequest
from fleetfold_shared.text.analysis import MAX_TERM_CHARS
from fleetfold_shared.text.centroid_format import NO_CENTROIDS, Centroids, unpack_centroids
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
"""Most bytes of a chunk's terms before compression: even uncompressed and in base64 they fit in 1 MB."""

MAX_DOCUMENTS = 10**9
"""Most documents of one collection; a node that reports more, or more with a term, is not believed."""

MAX_LENGTH = 10**13
"""Most terms in all documents of a collection together."""

MAX_DOCUMENT_TERMS = 10**7
"""Most terms per document of a collection on average: a longer mean would not fit into a cursor."""

MAX_CHUNKS = 10_000
"""Most chunks of one transfer; valid ones with `MAX_TERMS` terms take a few thousand."""

MAX_TERMS = 4_000_000
"""Most different terms of one collection: about 400 MB. A million web pages have half as many."""

_MOST_NAME_CHARS = 200

_Term = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TERM_CHARS)]
_decoder = msgspec.json.Decoder(dict[_Term, Annotated[int, msgspec.Meta(ge=0, le=MAX_DOCUMENTS)]])


def pack_terms(dfs: dict[str, int]) -> bytes:
    """Encode `{term: df}` for a chunk: zlib over JSON."""
    return zlib.compress(msgspec.json.encode(dfs))


def unpack_terms(data: bytes) -> dict[str, int]:
    """Decode the terms of a chunk.

    Raises `InvalidInput` for anything else, such as a negative count, a term that no analyzer makes, or data that
    inflates to more than a chunk may contain.
    """
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(data, 2 * MAX_CHUNK_BYTES)
        dfs = _decoder.decode(text)
    except (zlib.error, msgspec.DecodeError) as error:
        raise InvalidInput(f"terms: not a chunk of statistics: {error}", field="terms") from None
    return dfs


class StatisticsTable:
    """Statistics of one collection of one node: a `Corpus`, empty until the first transfer is complete.

    `analyzer` made its terms and `embedder` its vectors; empty where the node does not declare them. Send what `ask`
    returns, and pass each reply to `apply`, until the transfer is complete. The former statistics stay in use until
    then. Counts are absolute, so a repeated or overtaken transfer does no harm.
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
        return min(self._dfs.get(term, 0), self.documents)  # a larger count is stale or false

    def ask(self, collection: str) -> StatisticsRequest:
        """Return the next request to the node: changes since `epoch`, or the rest of a transfer under way."""
        if self._transfer is None:
            return StatisticsRequest(collection=collection, incarnation=self.incarnation, since=self.epoch)
        under_way = self._transfer
        since = 0 if under_way.full else self.epoch
        return StatisticsRequest(
            collection=collection, incarnation=under_way.incarnation, since=since, offset=under_way.offset
        )

    def apply(self, chunk: StatisticsChunk) -> bool:
        """Apply one chunk; return True when the transfer is complete, False when `ask` has another request.

        Raises `InvalidInput` for an invalid chunk; call `restart` then, the former statistics stay.
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
        """Discard an interrupted transfer; the next `ask` starts it again."""
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
    """A transfer under way: the chunks received so far."""

    incarnation: str
    epoch: int
    full: bool
    dfs: dict[str, int]
    offset: int
    chunks: int = 0

    def take(self, chunk: StatisticsChunk) -> None:
        """Add a chunk. Its offset must increase, so that no node can make the transfer endless."""
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
    """Several corpora merged into one. Nothing is copied: a query looks up its own terms only."""

    def __init__(self, parts: Sequence[Corpus]) -> None:
        self._parts = parts

    @property
    def parts(self) -> Sequence[Corpus]:
        """What is merged."""
        return self._parts

    @property
    def centroids(self) -> list[Centroids]:
        """The centroids of each part that has some."""
        known = [part.centroids for part in self._parts if isinstance(part, StatisticsTable)]
        return [one for one in known if len(one)]

    @property
    def documents(self) -> int:
        return sum(part.documents for part in self._parts)

    @property
    def length(self) -> int:
        return sum(part.length for part in self._parts)

    def df(self, term: str) -> int:
        return sum([part.df(term) for part in self._parts])  # a list: this is asked for each term and node
