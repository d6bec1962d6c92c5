"""Reading a master's ask, and answering it from a node's collections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from fleetfold_child.index.port import Query, Scored
from fleetfold_shared.analysis import ANALYZER
from fleetfold_shared.embedding import Embedder, unpack
from fleetfold_shared.errors import DeadlineExceeded, FleetfoldError, InvalidInput
from fleetfold_shared.filters import check_filter
from fleetfold_shared.messages.search import Parts, ScoredDocument, SearchAnswer, SearchAsk

if TYPE_CHECKING:
    from fleetfold_child.index.collection import Collection

__all__ = ["MAX_ANSWER_BYTES", "hit", "read_ask", "search_collections"]

MAX_ANSWER_BYTES = 768 * 1024
"""What the hits of one answer may take; the broker's limit is 1 MB. Long contents are shortened to fit in."""

_MAX_K = 1000
_SHORTENED = " …"


def read_ask(ask: SearchAsk, embedder: Embedder) -> Query:
    """The query of an ask. `InvalidInput` if this node could not score it as the others do, or it is malformed."""
    if ask.analyzer != ANALYZER:
        raise InvalidInput(
            f"analyzer: the query was analysed by {ask.analyzer}, this node's documents by {ANALYZER}; "
            "run the same version on all nodes",
            field="analyzer",
        )
    if ask.embedder != embedder.name:
        raise InvalidInput(
            f"embedder: the query was embedded by {ask.embedder}, this node's documents by {embedder.name}; "
            "use the same embedder on all nodes",
            field="embedder",
        )
    if not 1 <= ask.k <= _MAX_K:
        raise InvalidInput(f"k: {ask.k} is not in 1-{_MAX_K}", field="k")
    if not ask.avgdl > 0:
        raise InvalidInput(f"avgdl: {ask.avgdl} is not above 0", field="avgdl")
    vector = unpack(ask.vector) if ask.vector is not None else None
    if vector is not None and len(vector) != embedder.dimensions:
        raise InvalidInput(f"vector: {len(vector)} dimensions, expected {embedder.dimensions}", field="vector")
    return Query(
        terms=ask.terms,
        avgdl=ask.avgdl,
        divisor=ask.divisor,
        alpha=ask.alpha,
        vector=vector,
        k=ask.k,
        threshold=ask.threshold,
        filter=check_filter(ask.filter) if ask.filter is not None else None,
    )


def hit(collection: str, scored: Scored) -> ScoredDocument:
    """A scored document as it travels."""
    document = scored.document
    return ScoredDocument(
        collection=collection,
        id=document.id,
        score=scored.score,
        parts=Parts(scored.bm25, scored.cosine),
        title=document.title,
        content=document.content,
        metadata=document.metadata,
    )


async def search_collections(collections: Mapping[str, Collection], ask: SearchAsk) -> SearchAnswer:
    """The top k of those of a node's collections that the ask names, or of all of them if it names none.

    It never raises for a bad ask or a deadline that passes: the answer says so.
    """
    started = time.perf_counter()
    asked = [collections[name] for name in dict.fromkeys(ask.collections or collections) if name in collections]
    if not asked:
        return SearchAnswer(status="no_collection")
    try:
        hits, exact = await _search(asked, ask)
    except FleetfoldError as error:
        return SearchAnswer(status="error", error=error.message, ms=_ms_since(started))
    return SearchAnswer(hits=_fitting(hits), exact=exact, ms=_ms_since(started))


async def _search(asked: Sequence[Collection], ask: SearchAsk) -> tuple[list[ScoredDocument], bool]:
    try:
        async with asyncio.timeout(ask.deadline_ms / 1000):
            found = [await collection.search(ask) for collection in asked]
    except TimeoutError:
        raise DeadlineExceeded(f"the search took more than the {ask.deadline_ms} ms it had") from None
    hits = [one for hits, _ in found for one in hits]
    hits.sort(key=lambda one: (-one.score, one.collection, one.id))
    return hits[: ask.k], all(exact for _, exact in found)


def _fitting(hits: list[ScoredDocument]) -> list[ScoredDocument]:
    """The hits, in at most `MAX_ANSWER_BYTES`: contents are cut first, then metadata left out, never a hit."""
    sizes = [len(msgspec.json.encode(one)) for one in hits]
    if sum(sizes) <= MAX_ANSWER_BYTES:
        return hits
    share = MAX_ANSWER_BYTES // len(hits)
    return [one if size <= share else _cut(one, share) for one, size in zip(hits, sizes, strict=True)]


def _cut(one: ScoredDocument, share: int) -> ScoredDocument:
    bare = msgspec.structs.replace(one, content="")
    if len(msgspec.json.encode(bare)) > share // 2:
        bare = msgspec.structs.replace(bare, title=one.title[:200], metadata={})
    room = share - len(msgspec.json.encode(bare)) - len(_SHORTENED) - 16
    # JSON takes up to 6 bytes for a character
    content = one.content[:room] if len(msgspec.json.encode(one.content[:room])) <= room else one.content[: room // 6]
    return msgspec.structs.replace(bare, content=content + _SHORTENED if len(content) < len(one.content) else content)


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
