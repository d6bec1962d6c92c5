"""Search of a running fleet on real collections, against one index that holds all of the documents.

    python bench/retrieval.py --data DIR

DIR holds a folder for each collection, as `bench/one_index.py` describes. Each becomes a `fleetfold child` of its own.
Exit code 1 when the fleet's top ten differs from the one index's, ties aside, on more than 1% of the queries.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from bench.agreement import compare
from bench.one_index import DEPTH, QUERIES, ndcg, read_judgements, read_queries, recall
from bench.processes import running_fleet
from bench.reference import OneIndex, Ranked
from fleetfold.client import Client
from fleetfold_child.documents import from_record

__all__ = ["Collection", "measure", "read_references"]

AGREEMENT = 0.99
_REFERENCE = re.compile(r"\| *(\w+) *\|.*\| *(0?\.\d+) *\|\s*$")

Search = Callable[[str], Awaitable[Ranked]]


class Collection:
    """One folder of real data. `name` is the folder's, as a slug."""

    def __init__(self, folder: Path, queries: int | None) -> None:
        self.folder, self.name = folder, folder.name.replace("_", "-")
        self.queries = dict(list(read_queries(folder).items())[:queries])
        self._judgements = read_judgements(folder)

    @property
    def docs(self) -> Path:
        """The file that the child is given."""
        return self.folder / "docs.jsonl"

    def texts(self) -> dict[tuple[str, str], str]:
        """What is analysed and embedded of each document."""
        lines = self.docs.read_text(encoding="utf-8").splitlines()
        documents = [from_record(json.loads(line)) for line in lines]
        return {(self.name, document.id): document.text for document in documents}

    def quality(self, rankings: dict[str, Ranked]) -> dict[str, float]:
        """Means over the queries; a hit of another collection is not relevant."""
        ids = {query: [key[1] if key[0] == self.name else "" for key, _ in got] for query, got in rankings.items()}
        return {
            "ndcg_at_10": round(statistics.fmean(ndcg(ids[one], self._judgements[one]) for one in ids), 4),
            "recall_at_10": round(statistics.fmean(recall(ids[one], self._judgements[one]) for one in ids), 4),
        }


async def measure(collections: Sequence[Collection]) -> dict[str, Any]:
    """The figures of each collection alone, and of all of them together."""
    texts = {collection.name: collection.texts() for collection in collections}
    async with running_fleet() as fleet:
        for collection in collections:
            await fleet.child(collection.name, "--collection", f"{collection.name}={collection.docs}")
        client = await fleet.client()
        alone = [await _compare(each, f"{each.name} alone", _asking(client, [each.name]), OneIndex(texts[each.name]))
                 for each in collections]  # fmt: skip
        every = OneIndex.union(texts.values())
        together = [await _compare(each, f"{each.name} of all", _asking(client, []), every) for each in collections]
    return {"alone": alone, "together": together, "summary": _summary(together)}


def read_references(data: Path) -> dict[str, float]:
    """Folder -> nDCG@10, from the last column of the table in the README of `data`; empty where there is none."""
    readme = data / "README.md"
    lines = readme.read_text(encoding="utf-8").splitlines() if readme.exists() else []
    return {row[1]: float(row[2]) for row in map(_REFERENCE.match, lines) if row}


def _asking(client: Client, collections: list[str]) -> Search:
    async def search(text: str) -> Ranked:
        answer = await client.search(text, limit=DEPTH, collections=collections, timeout_s=30.0, cache="off")
        if answer.partial:
            raise RuntimeError(f"a node is missing from the answer: {answer.nodes}")
        return [((hit.collection, hit.id), hit.score) for hit in answer.hits]

    return search


async def _compare(collection: Collection, title: str, search: Search, index: OneIndex) -> dict[str, Any]:
    fleet = {query: await search(text) for query, text in collection.queries.items()}
    one = {query: index.search(text, DEPTH) for query, text in collection.queries.items()}
    parted = {query: found for query in fleet if (found := compare(fleet[query], one[query])) is not None}
    return {
        "title": title,
        "folder": collection.folder.name,
        "queries": len(fleet),
        "fleet": collection.quality(fleet),
        "one_index": collection.quality(one),
        "same_top_ten": len(fleet) - len(parted),
        "ties": sum(found.tie for found in parted.values()),
        "differences": [{"query": query, **msgspec.structs.asdict(found)} for query, found in parted.items()],
    }


def _summary(figures: Iterable[dict[str, Any]]) -> dict[str, Any]:
    counts = {name: sum(figure[name] for figure in figures) for name in ("queries", "same_top_ten", "ties")}
    return {**counts, "same": round(counts["same_top_ten"] / counts["queries"], 4)}


def _show(measured: dict[str, Any]) -> None:
    heading = ("", "fleet nDCG@10", "recall@10", "one index nDCG@10", "recall@10", "same top ten")
    print("{:<20}{:>15}{:>11}{:>19}{:>11}{:>16}".format(*heading))
    for figure in (*measured["alone"], *measured["together"]):
        fleet, one = figure["fleet"], figure["one_index"]
        print(
            f"{figure['title']:<20}{fleet['ndcg_at_10']:>15.4f}{fleet['recall_at_10']:>11.4f}"
            f"{one['ndcg_at_10']:>19.4f}{one['recall_at_10']:>11.4f}"
            f"{figure['same_top_ten']:>9} of {figure['queries']}"
        )
    _show_references(measured)
    for figure in (*measured["alone"], *measured["together"]):
        for found in figure["differences"]:
            print(f"  {figure['title']}: {_told(found)}")
    summary = measured["summary"]
    print(
        f"over all nodes the same top ten on {summary['same_top_ten']} of {summary['queries']} queries "
        f"({summary['same']:.1%}); ties on {summary['ties']} more"
    )


def _show_references(measured: dict[str, Any]) -> None:
    for figure in measured["alone"]:
        reference = measured["reference"].get(figure["folder"])
        if reference is not None:
            away = figure["fleet"]["ndcg_at_10"] - reference
            print(f"{figure['title']}: {away:+.4f} from the reference nDCG@10 of {reference:.3f}")


def _told(found: dict[str, Any]) -> str:
    return "query {query}, place {place}: {ours} against {theirs}; {reason}".format(**found)


def main() -> int:
    options = argparse.ArgumentParser(description="search of a running fleet against one index, on real collections")
    options.add_argument("--data", type=Path, required=True, help="a folder of collections")
    options.add_argument("--all", action="store_true", help=f"all queries; without it the first {QUERIES} of each")
    options.add_argument("--json", type=Path, help="write the figures to this file too")
    given = options.parse_args()
    folders = [docs.parent for docs in sorted(given.data.glob("*/docs.jsonl"))]
    if not folders:
        print(f"SKIPPED: there are no collections (*/docs.jsonl) in {given.data}; name their folder with --data")
        return 2
    measured = asyncio.run(measure([Collection(folder, None if given.all else QUERIES) for folder in folders]))
    measured["reference"] = read_references(given.data)
    _show(measured)
    if given.json:
        given.json.write_text(json.dumps(measured, indent=2) + "\n")
    summary = measured["summary"]
    return 0 if summary["same_top_ten"] + summary["ties"] >= AGREEMENT * summary["queries"] else 1


if __name__ == "__main__":
    sys.exit(main())
