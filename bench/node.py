"""A node's own search, without the bus: milliseconds, searches a second, and the same question put to what is below.

    python -m bench node
    python -m bench.node --documents 1000000 --candidates

The second form measures one size, and with `--candidates` LanceDB's candidates against all documents scored exactly.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from bench.one_index import ask_for, corpus_of
from bench.rounds import medians, percentile
from bench.topics import TopicLibrary
from fleetfold_child.index import Collection, search_collections
from fleetfold_child.index.candidate_index import CandidateIndex
from fleetfold_child.index.lance_table import Table
from fleetfold_child.index.lancedb_import import lancedb
from fleetfold_child.index.preparation import prepare
from fleetfold_shared.messages.search import SearchRequest
from fleetfold_shared.messages.search_criteria import Filter, Sort
from fleetfold_shared.text.analysis import ANALYZER
from fleetfold_shared.text.embedding import load_embedder, unpack

__all__ = ["measure"]

SIZES = (10_000, 100_000)
QUERIES = 200
BATCH = 20_000
NO_LIMIT = 10**9
KINDS: dict[str, dict[str, Any]] = {
    "hybrid": {},
    "filter_few": {"filter": Filter(field="place.city", value=7)},
    "filter_many": {"filter": Filter(field="price", op="lt", value=30)},
    "facet": {"facets": ["brand"]},
    "sort": {"sort": [Sort("price")]},
}


async def measure(rounds: int) -> dict[str, Any]:
    """Figures by the number of generated documents; in each round the node and the bare floor take turns."""
    figures: dict[str, Any] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            await fill(Path(folder), size)
            figures[str(size)] = await _measured(Path(folder), rounds)
    return figures


async def fill(folder: Path, size: int) -> None:
    """A table of so many documents, written at once: a collection is opened over it."""
    embedder, library = load_embedder(), TopicLibrary(1)
    stamp = {"fleetfold.analyzer": ANALYZER, "fleetfold.embedder": embedder.name}
    table = await Table.open(folder, "docs", embedder.dimensions, stamp)
    for first in range(0, size, BATCH):
        await table.write(prepare(list(library.documents(min(BATCH, size - first), first)), embedder))
    await table.close()


async def _measured(folder: Path, rounds: int) -> dict[str, float]:
    async with await Collection.open("docs", folder, memory_documents=NO_LIMIT) as collection:
        corpus = corpus_of(collection)
        asks = [ask_for(text, corpus) for text in TopicLibrary(-1).queries(QUERIES)]
        bare = await _Bare.over(collection)
        return medians([await _round(collection, bare, asks) for _ in range(rounds + 1)][1:])


async def _round(collection: Collection, bare: _Bare, asks: Sequence[SearchRequest]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, more in KINDS.items():
        took = await _timed(lambda ask: _answered(collection, ask), [replace(ask, **more) for ask in asks])
        figures |= {f"{name}_p{percent}_ms": percentile(took, percent) for percent in (50, 99)}
        if name == "hybrid":
            figures["searches_per_s"] = 1000 * len(took) / sum(took)
    figures["numpy_p50_ms"] = percentile(await _timed(bare.numpy, asks), 50)
    figures["lancedb_p50_ms"] = percentile(await _timed(bare.lancedb, asks[:50]), 50)
    for floor in ("numpy", "lancedb"):
        figures[f"hybrid_to_{floor}"] = figures["hybrid_p50_ms"] / figures[f"{floor}_p50_ms"]
    return figures


async def _answered(collection: Collection, ask: SearchRequest) -> None:
    answer = await search_collections({"docs": collection}, ask)
    if answer.status != "ok" or not answer.hits:
        raise RuntimeError(f"{ask.terms} found {len(answer.hits)} hits, {answer.error}; the figure would mean nothing")


async def _timed(search: Callable[[SearchRequest], Awaitable[None]], asks: Sequence[SearchRequest]) -> list[float]:
    took: list[float] = []
    await search(asks[0])
    for ask in asks:
        started = time.perf_counter()
        await search(ask)
        took.append((time.perf_counter() - started) * 1000)
    return took


class _Bare:
    """The floor: vectors alone by NumPy, and terms and vectors by LanceDB's own hybrid query, without our scores."""

    def __init__(self, table: Table, ids: Sequence[str], vectors: Any) -> None:
        self._handle, self._ids, self._vectors = table.handle, ids, vectors

    @classmethod
    async def over(cls, collection: Collection) -> _Bare:
        """Over a collection's table, whose indexes are made."""
        table = collection._table  # noqa: SLF001 - what a collection hides is what it is measured against
        await CandidateIndex.open(table)
        entries = [one async for batch in table.all_entries() for one in batch]
        return cls(table, [one.document.id for one in entries], np.stack([one.vector for one in entries]))

    async def numpy(self, ask: SearchRequest) -> None:
        scores = self._vectors @ unpack(ask.vector or b"")
        first = np.argpartition(scores, -ask.k)[-ask.k :]
        [self._ids[row] for row in first[np.argsort(-scores[first])]]

    async def lancedb(self, ask: SearchRequest) -> None:
        words = lancedb().query.MatchQuery(" ".join(term.term for term in ask.terms), "terms")
        query = self._handle.query().nearest_to(unpack(ask.vector or b"")).distance_type("dot").nearest_to_text(words)
        await query.select(["id", "title", "content", "metadata"]).limit(ask.k).to_list()


async def candidates(folder: Path, queries: int) -> dict[str, float]:
    """How many of the exact top 10 the candidates have, and what they cost."""
    wanted, asks = [], []
    async with await Collection.open("docs", folder, memory_documents=NO_LIMIT) as collection:
        corpus = corpus_of(collection)
        asks = [ask_for(text, corpus) for text in TopicLibrary(-1).queries(queries)]
        wanted = [{hit.id for hit in (await collection.search(ask))[0]} for ask in asks]
    started = time.perf_counter()
    async with await Collection.open("docs", folder, memory_documents=0) as collection:
        opened_s = time.perf_counter() - started
        found = [{hit.id for hit in (await collection.search(ask))[0]} for ask in asks]
        took = await _timed(lambda ask: _answered(collection, ask), asks)
    shares = [len(one & other) / len(one) for one, other in zip(wanted, found, strict=True) if one]
    return {
        "recall_at_10": round(statistics.fmean(shares), 4),
        "p50_ms": round(percentile(took, 50), 2),
        "p99_ms": round(percentile(took, 99), 2),
        "indexes_made_s": round(opened_s, 1),
    }


async def _main() -> None:
    options = argparse.ArgumentParser(description="a node's own search over generated documents")
    options.add_argument("--documents", type=int, default=SIZES[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--candidates", action="store_true", help="LanceDB's candidates against exact scores")
    options.add_argument("--queries", type=int, default=QUERIES, help="of the candidates")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        await fill(Path(folder), given.documents)
        measured = (
            candidates(Path(folder), given.queries) if given.candidates else _measured(Path(folder), given.rounds)
        )
        print(json.dumps({"documents": given.documents, **await measured}, indent=2))


if __name__ == "__main__":
    asyncio.run(_main())
