"""Search of a running fleet on real collections, against one index that holds all of the documents.

    python bench/retrieval.py --data DIR [--queries N --seed S | --all] [--json FILE]

DIR holds a folder for each collection, as `bench/one_index.py` describes. Each becomes a `fleetfold child` of its own
(HET: nodes that differ), searched with all nodes and with `auto`. Then, in one process with the same code, HET again
and each collection over eight nodes, by topic and at random: agreement with one index, and what choosing nodes keeps.

Exit code 1 when the top ten differs from the one index's, ties aside, on more than 0.5% of the queries, or when `auto`
over HET keeps less than 99% of nDCG@10 or asks more than half of the nodes; 2 when there is nothing to measure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fleetfold.search_request import SearchOptions

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from bench.agreement import compare
from bench.folders import Folder, Question, means, read_folders
from bench.one_index import DEPTH
from bench.processes import running_fleet
from bench.reference import Key, OneIndex, Ranked
from bench.selecting import SHARES, measure_split
from bench.splits import NODES, by_topic, random_split
from fleetfold.client import Client
from fleetfold_shared.messages import Searched, WhichNodes
from fleetfold_shared.text.embedding import load_embedder

__all__ = ["measure", "read_references", "verdicts"]

QUERIES = 100
AGREEMENT, KEPT, ASKED = 0.995, 0.99, 0.5
_REFERENCE = re.compile(r"\| *(\w+) *\|.*\| *(0?\.\d+) *\|\s*$")


async def measure(folders: Sequence[Folder]) -> dict[str, Any]:
    """All figures, shown as they come."""
    texts = {folder.name: folder.texts() for folder in folders}
    every = OneIndex.union(texts.values())
    indexes = {folder.name: OneIndex(texts[folder.name]) for folder in folders}
    measured = await _running(folders, indexes, every)
    questions = [question for folder in folders for question in folder.questions]
    het = {folder.name: (folder.name, folder.records()) for folder in folders}
    measured["splits"] = [_show_split(await measure_split("HET", het, questions, every))]
    for folder in folders:
        for how, numbers in _splits(texts[folder.name]).items():
            parts = _parts(folder, numbers)
            split = await measure_split(f"{folder.name}, {how}", parts, folder.questions, indexes[folder.name])
            measured["splits"].append(_show_split(split))
    return measured


def read_references(data: Path) -> dict[str, float]:
    """Folder -> nDCG@10, from the last column of the table in the README of `data`; empty where there is none."""
    readme = data / "README.md"
    lines = readme.read_text(encoding="utf-8").splitlines() if readme.exists() else []
    return {row[1]: float(row[2]) for row in map(_REFERENCE.match, lines) if row}


def verdicts(measured: Mapping[str, Any]) -> list[str]:
    """What is not as it should be, a line for each."""
    parts = [*measured["alone"], *measured["together"], *measured["splits"]]
    same = sum(part["same_top_ten"] for part in parts) / sum(part["queries"] for part in parts)
    failed = [] if same >= AGREEMENT else [f"the same top ten on {same:.2%} of the queries; {AGREEMENT:.1%} are wanted"]
    auto = measured["auto"]
    if auto["nodes"] > 1 and auto["kept"] < KEPT:
        failed.append(f"auto keeps {auto['kept']:.2%} of nDCG@10; {KEPT:.0%} are wanted")
    if auto["nodes"] > 1 and auto["asked"] > ASKED:
        failed.append(f"auto asks {auto['asked']:.0%} of the nodes; at most {ASKED:.0%} are wanted")
    return failed


async def _running(folders: Sequence[Folder], indexes: Mapping[str, OneIndex], every: OneIndex) -> dict[str, Any]:
    """What real processes answer."""
    async with running_fleet() as fleet:
        for folder in folders:
            await fleet.child(folder.name, "--collection", f"{folder.name}={folder.docs}")
        client = await fleet.client()
        _show_heading()
        alone = [await _compared(client, each, [each.name], indexes[each.name]) for each in folders]
        together = [await _compared(client, each, [], every) for each in folders]
        auto = [await _chosen(client, each) for each in folders]
    kept = statistics.fmean(one["ndcg_at_10"] for one in auto) / statistics.fmean(
        one["fleet"]["ndcg_at_10"] for one in together
    )
    asked = statistics.fmean(one["asked"] for one in auto)
    print(f"auto over the running fleet keeps {kept:.2%} of nDCG@10 and asks {asked:.0%} of {len(folders)} nodes\n")
    summary = {"nodes": len(folders), "kept": round(kept, 4), "asked": round(asked, 4), "collections": auto}
    return {"alone": alone, "together": together, "auto": summary}


async def _compared(client: Client, folder: Folder, collections: list[str], index: OneIndex) -> dict[str, Any]:
    """A collection's questions, asked of these collections only or of all nodes, against `index`."""
    fleet = {one.id: _ranked(await _search(client, one, "all", collections)) for one in folder.questions}
    one_index = {one.id: index.search(one.text, DEPTH) for one in folder.questions}
    parted = {query: found for query in fleet if (found := compare(fleet[query], one_index[query])) is not None}
    figures = {
        "title": f"{folder.name} {'alone' if collections else 'of all'}",
        "folder": folder.folder.name,
        "queries": len(fleet),
        "fleet": means(folder.questions, {query: _keys(ranked) for query, ranked in fleet.items()}),
        "one_index": means(folder.questions, {query: _keys(ranked) for query, ranked in one_index.items()}),
        "same_top_ten": sum(1 for query in fleet if query not in parted or parted[query].tie),
        "ties": sum(found.tie for found in parted.values()),
        "differences": [{"query": query, **msgspec.structs.asdict(found)} for query, found in parted.items()],
    }
    _show_compared(figures)
    return figures


async def _chosen(client: Client, folder: Folder) -> dict[str, Any]:
    """What `auto` finds, and the share of the nodes that it asks."""
    found = {one.id: await _search(client, one, "auto", []) for one in folder.questions}
    left_out = [sum(report.status == "not_selected" for report in one.nodes) / len(one.nodes) for one in found.values()]
    rankings = {query: _keys(_ranked(one)) for query, one in found.items()}
    asked = round(1 - statistics.fmean(left_out), 4)
    return {"folder": folder.folder.name, "asked": asked, **means(folder.questions, rankings)}


async def _search(client: Client, one: Question, nodes: WhichNodes, collections: list[str]) -> Searched:
    answer = await client.search(
        one.text, limit=DEPTH, nodes=nodes, collections=collections, timeout_s=30.0, options=SearchOptions(cache="off")
    )
    if answer.partial:
        raise RuntimeError(f"a node is missing from the answer: {answer.nodes}")
    return answer


def _ranked(answer: Searched) -> Ranked:
    return [((hit.collection, hit.id), hit.score) for hit in answer.hits]


def _keys(ranked: Ranked) -> list[Key]:
    return [key for key, _ in ranked]


def _splits(texts: Mapping[Key, str]) -> dict[str, Any]:
    return {"by topic": by_topic(load_embedder().embed(list(texts.values()))), "at random": random_split(len(texts))}


def _parts(folder: Folder, numbers: Any) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Node -> its collection and records. A record that comes twice is one document, as in the index."""
    records = list({record["id"]: record for record in folder.records()}.values())
    split = {f"n{node}": [records[row] for row in np.flatnonzero(numbers == node)] for node in range(NODES)}
    return {node: (folder.name, some) for node, some in split.items() if some}


def _show_heading() -> None:
    heading = ("", "fleet nDCG@10", "recall@10", "one index nDCG@10", "recall@10", "same top ten")
    print("{:<28}{:>15}{:>11}{:>19}{:>11}{:>16}".format(*heading))


def _show_compared(figure: Mapping[str, Any]) -> None:
    fleet, one = figure["fleet"], figure["one_index"]
    print(
        f"{figure['title']:<28}{fleet['ndcg_at_10']:>15.4f}{fleet['recall_at_10']:>11.4f}"
        f"{one['ndcg_at_10']:>19.4f}{one['recall_at_10']:>11.4f}{figure['same_top_ten']:>9} of {figure['queries']}",
        flush=True,
    )
    for found in figure["differences"]:
        if not found["tie"]:
            print("  query {query}, place {place}: {ours} against {theirs}; {reason}".format(**found))


def _show_split(split: dict[str, Any]) -> dict[str, Any]:
    if split["title"] == "HET":
        fixed = "".join(f"{f'{share:.0%}':>8}" for share in SHARES)
        print(f"{'nDCG@10 kept, asking':<28}{'nodes':>6}{'all':>9}{fixed}{'auto':>8}{'asked':>8}{'same top ten':>16}")
    kept = "".join(f"{value:>8.1%}" for value in split["kept"].values())
    auto, same = split["auto"], f"{split['same_top_ten']} of {split['queries']}"
    print(
        f"{split['title']:<28}{split['nodes']:>6}{split['all']['ndcg_at_10']:>9.4f}{kept}"
        f"{auto['kept']:>8.1%}{auto['asked']:>8.0%}{same:>16}",
        flush=True,
    )
    return split


def _show_references(measured: Mapping[str, Any]) -> None:
    for figure in measured["alone"]:
        reference = measured["reference"].get(figure["folder"])
        if reference is not None:
            away = figure["fleet"]["ndcg_at_10"] - reference
            print(f"{figure['title']}: {away:+.4f} from the reference nDCG@10 of {reference:.3f}")


def main() -> int:
    options = argparse.ArgumentParser(description="search of a running fleet against one index, on real collections")
    options.add_argument("--data", type=Path, required=True, help="a folder of collections")
    options.add_argument("--queries", type=int, default=QUERIES, help=f"so many of each collection, drawn; {QUERIES}")
    options.add_argument("--seed", type=int, default=0, help="of the draw")
    options.add_argument("--all", action="store_true", help="all queries")
    options.add_argument("--json", type=Path, help="write the figures to this file too")
    given = options.parse_args()
    if not given.data.is_dir():
        print(f"SKIPPED: there is no folder {given.data}; name one of collections with --data")
        return 2
    folders, refused = read_folders(given.data, None if given.all else max(1, given.queries), given.seed)
    print(*refused, sep="\n", end="\n" if refused else "")
    if not folders:
        print(f"SKIPPED: there are no collections (*/docs.jsonl) in {given.data}; name their folder with --data")
        return 2
    measured = asyncio.run(measure(folders))
    measured["reference"] = read_references(given.data)
    if given.all:
        _show_references(measured)
    if given.json:
        given.json.write_text(json.dumps(measured, indent=2) + "\n")
    failed = verdicts(measured)
    print(*failed or ["as it should be"], sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
