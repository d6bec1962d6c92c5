"""A fleet in which half of the documents lie on a node of another embedder, against one index of all of them.

The figures are those of docs/how-to/search.md, the texts those of `support.realdata`. The other embedder is a bad one
(random directions): a real one chooses better.
"""

from __future__ import annotations

import random

import pytest

from fleetfold_child.connectors.documents import Document
from fleetfold_shared.messages import Searched
from fleetfold_shared.text.embedding import Embedder, load_embedder
from support.effort import effort
from support.paging import PagedNodes
from support.realdata import real_documents, real_queries
from support.search import WordBag, document

QUERIES = effort(100)
DOCUMENTS = effort(600)


async def fleet(documents: list[Document], ours: Embedder, theirs: Embedder) -> PagedNodes:
    """Every second document lies on the node `other`."""
    made = PagedNodes(ours)
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
    chance = random.Random(1)
    documents, queries = real_documents(name), real_queries(name)
    documents = chance.sample(documents, min(len(documents), DOCUMENTS))
    queries = chance.sample(queries, min(len(queries), QUERIES))
    assert await recall(documents, queries, load_embedder(), WordBag()) >= 0.95
