"""A fleet in which half of the documents lie on a node of another embedder, against one index of all of them.

`FLEETFOLD_TEST_DATA` names a folder of collections in the form that `bench/retrieval.py` reads. The bounds are those of
docs/how-to/search.md. The other embedder is a bad one (random directions): a real one chooses better.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import msgspec
import pytest

from fleetfold_child.documents import Document, from_record
from fleetfold_shared.embedding import Embedder, load_embedder
from fleetfold_shared.messages import Searched
from support.paging import Shelves
from support.search import WordBag, document

QUERIES = 25
DOCUMENTS = 600


async def fleet(documents: list[Document], ours: Embedder, theirs: Embedder) -> Shelves:
    """Every second document lies on the node `other`."""
    made = Shelves(ours)
    made.embedders["other"] = theirs
    await made.put("own", "docs", documents[::2])
    await made.put("other", "docs", documents[1::2])
    return made


async def recall(documents: list[Document], queries: list[str], ours: Embedder, theirs: Embedder) -> float:
    """Which part of the top ten of one index is in the fleet's."""
    mixed, plain = await fleet(documents, ours, theirs), await fleet(documents, ours, ours)
    found = wanted = 0
    for query in queries:
        best = ids(await plain.search(query, limit=10))
        found += len(best & ids(await mixed.search(query, limit=10)))
        wanted += len(best)
    return found / wanted


def ids(found: Searched) -> set[tuple[str, str]]:
    return {(hit.node, hit.id) for hit in found.hits}


class OtherBag(WordBag):
    """Vectors of another space."""

    name = "other-bag-24"
    dimensions = 24


async def test_generated_texts_rank_nearly_as_in_one_index() -> None:
    chance = random.Random(3)
    words = [f"w{i}" for i in range(300)]
    common = [1 / (i + 1) for i in range(300)]
    texts = [" ".join(chance.choices(words, common, k=chance.randint(3, 30))) for _ in range(2000)]
    queries = [" ".join(chance.choices(words[5:], common[5:], k=3)) for _ in range(QUERIES)]
    documents = [document(str(i), text) for i, text in enumerate(texts)]
    assert await recall(documents, queries, WordBag(), OtherBag()) >= 0.95


@pytest.mark.parametrize("name", ["stackfaq", "scifact", "esci_us", "banking77"])
async def test_real_texts_rank_nearly_as_in_one_index(name: str) -> None:
    folder = Path(os.environ.get("FLEETFOLD_TEST_DATA", "")) / name
    if not (folder / "docs.jsonl").is_file():
        pytest.skip(f"FLEETFOLD_TEST_DATA names no folder with {name}: strangers are not tried on real texts")
    chance = random.Random(1)
    documents = [from_record(msgspec.json.decode(line)) for line in (folder / "docs.jsonl").read_bytes().splitlines()]
    documents = chance.sample(documents, min(len(documents), DOCUMENTS))
    lines = (folder / "queries.jsonl").read_bytes().splitlines()
    queries = [msgspec.json.decode(line)["text"] for line in chance.sample(lines, QUERIES)]
    assert await recall(documents, queries, load_embedder(), WordBag()) >= 0.95
