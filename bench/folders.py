"""Folders of real data: documents, queries, and who has judged what."""

from __future__ import annotations

import json
import random
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.one_index import ndcg, read_judgements, read_queries, recall
from bench.reference import Key
from fleetfold_child.connectors.documents import from_record

__all__ = ["Folder", "Question", "means", "read_folders"]

FILES = ("docs.jsonl", "queries.jsonl", "qrels.tsv")


class Question(msgspec.Struct, frozen=True):
    """A query of one collection, with the grades of its documents."""

    collection: str
    id: str
    text: str
    grades: dict[str, int]

    def quality(self, ranked: Sequence[Key]) -> tuple[float, float]:
        """nDCG@10 and recall@10; a hit of another collection is not relevant."""
        ids = [identity if collection == self.collection else "" for collection, identity in ranked]
        return ndcg(ids, self.grades), recall(ids, self.grades)


class Folder:
    """A collection; `name` is the folder's, as a slug."""

    def __init__(self, folder: Path, queries: int | None, seed: int) -> None:
        """With `queries` so many of those that are judged, drawn by `seed`; else all of them."""
        self.folder = folder
        self.name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:40] or "collection"
        grades, texts = read_judgements(folder), read_queries(folder)
        judged = [query for query in texts if any(grade > 0 for grade in grades.get(query, {}).values())]
        if queries is not None and queries < len(judged):
            judged = sorted(random.Random(seed).sample(judged, queries))
        self.questions = [Question(self.name, query, texts[query], grades[query]) for query in judged]

    @property
    def docs(self) -> Path:
        """The file that a child is given."""
        return self.folder / "docs.jsonl"

    def records(self) -> list[dict[str, Any]]:
        """The documents, as they are in the file."""
        return [json.loads(line) for line in self.docs.read_text(encoding="utf-8").splitlines() if line.strip()]

    def texts(self) -> dict[Key, str]:
        """What is analysed and embedded of each document."""
        documents = map(from_record, self.records())
        return {(self.name, document.id): document.text for document in documents}


def read_folders(data: Path, queries: int | None, seed: int) -> tuple[list[Folder], list[str]]:
    """The collections below `data`, and a line for each folder that is none."""
    found, refused = dict[str, Folder](), list[str]()
    for place in sorted(path for path in data.iterdir() if path.is_dir()):
        missing = [name for name in FILES if not (place / name).is_file()]
        if missing:
            refused.append(f"SKIPPED {place.name}: it has no {missing[0]}")
            continue
        folder = Folder(place, queries, seed)
        if not folder.records():
            refused.append(f"SKIPPED {place.name}: its docs.jsonl has no documents")
        elif not folder.questions:
            refused.append(f"SKIPPED {place.name}: none of its queries has a relevant document in qrels.tsv")
        elif folder.name in found:
            refused.append(f"SKIPPED {place.name}: another folder has that name as a slug; rename one")
        else:
            found[folder.name] = folder
    return list(found.values()), refused


def means(questions: Sequence[Question], rankings: Mapping[str, Sequence[Key]]) -> dict[str, float]:
    """nDCG@10 and recall@10 over the questions of one collection; `rankings` by query."""
    got: Iterable[tuple[float, float]] = [one.quality(rankings[one.id]) for one in questions]
    ndcgs, recalls = zip(*got, strict=True)
    return {"ndcg_at_10": round(statistics.fmean(ndcgs), 4), "recall_at_10": round(statistics.fmean(recalls), 4)}
