"""Each collection of a folder as one index: nDCG@10, recall@10 and the milliseconds of a query.

    python bench/one_index.py --data DIR

DIR holds a folder for each collection, with `docs.jsonl`, `queries.jsonl` and `qrels.tsv` (query, document, grade).
Gain is 2^grade - 1. As in the reference figures, the first 300 queries are run where there are more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from fleetfold_child.connectors.files import open_source
from fleetfold_child.index.collection import Collection
from fleetfold_shared.messages.search import SearchRequest
from fleetfold_shared.text.analysis import ANALYZER, query_terms
from fleetfold_shared.text.embedding import load_embedder, pack
from fleetfold_shared.text.ranking_metrics import DEPTH, ndcg, recall
from fleetfold_shared.text.scoring import Corpus, weigh
from fleetfold_shared.text.term_statistics import StatisticsTable

__all__ = ["DEPTH", "QUERIES", "ask_for", "ndcg", "read_judgements", "read_queries", "recall"]

QUERIES = 300


def read_queries(folder: Path) -> dict[str, str]:
    """Query id -> text, in the file's order."""
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    return {query["id"]: query["text"] for query in map(json.loads, filter(str.strip, lines))}


def read_judgements(folder: Path) -> dict[str, dict[str, int]]:
    """Query id -> document id -> grade."""
    judged: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        if not line.strip():
            continue
        query, document, grade = line.split("\t")
        judged[query][document] = int(grade)
    return judged


def ask_for(text: str, corpus: Corpus, k: int = DEPTH) -> SearchRequest:
    """What a master would ask for a query over `corpus`."""
    embedder = load_embedder()
    weights = weigh(query_terms(text), corpus)
    return SearchRequest(
        request="bench",
        terms=weights.terms,
        avgdl=weights.avgdl,
        divisor=weights.divisor,
        k=k,
        deadline_ms=10_000,
        analyzer=ANALYZER,
        embedder=embedder.name,
        vector=pack(embedder.embed([text])[0]),
    )


def corpus_of(collection: Collection) -> StatisticsTable:
    """Its statistics as a master has them."""
    table = StatisticsTable()
    while not table.apply(collection.statistics(table.ask(collection.name))):
        pass
    return table


async def measure(folder: Path, data_dir: Path, memory_documents: int) -> dict[str, float | int | str]:
    """One collection's figures."""
    name = folder.name.replace("_", "-")
    started = time.perf_counter()
    async with await Collection.open(name, data_dir, memory_documents=memory_documents) as collection:
        await collection.index(open_source(folder / "docs.jsonl"))
        ingest_s = time.perf_counter() - started
        corpus, judged = corpus_of(collection), read_judgements(folder)
        rankings: dict[str, list[str]] = {}
        milliseconds: list[float] = []
        for query, text in list(read_queries(folder).items())[:QUERIES]:
            ask = ask_for(text, corpus)
            before = time.perf_counter()
            hits, _ = await collection.search(ask)
            milliseconds.append((time.perf_counter() - before) * 1000)
            rankings[query] = [hit.id for hit in hits]
        return {
            "collection": folder.name,
            "documents": collection.count,
            "queries": len(rankings),
            "ndcg_at_10": round(statistics.fmean(ndcg(ids, judged[one]) for one, ids in rankings.items()), 4),
            "recall_at_10": round(statistics.fmean(recall(ids, judged[one]) for one, ids in rankings.items()), 4),
            "query_p50_ms": round(statistics.median(milliseconds), 3),
            "ingest_s": round(ingest_s, 2),
        }


async def main() -> None:
    options = argparse.ArgumentParser(description="nDCG@10 and recall@10 of each collection as one index")
    options.add_argument("--data", type=Path, required=True, help="a folder of collections")
    options.add_argument("--memory-documents", type=int, default=200_000, help="0 measures LanceDB's candidates")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as data_dir:
        for docs in sorted(given.data.glob("*/docs.jsonl")):
            print(json.dumps(await measure(docs.parent, Path(data_dir), given.memory_documents)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
