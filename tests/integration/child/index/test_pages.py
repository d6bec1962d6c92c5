"""Pages of one collection, by both indexes."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index import Collection, search_collections
from fleetfold_shared.messages.search import Place, ScoredDocument
from fleetfold_shared.messages.search_criteria import Filter
from support.search import WordBag, ask, document, statistics_of

WORDS = [f"word{i}" for i in range(30)]


def corpus(size: int) -> list[Document]:
    chance = random.Random(11)
    some = [" ".join(chance.choices(WORDS, k=chance.randint(0, 12))) for _ in range(size // 2)]
    return [document(f"d{i:03}", chance.choice(some), price=i % 4) for i in range(size)]


@pytest.fixture(params=["memory", "candidates"])
async def collection(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Collection]:
    limit = 1000 if request.param == "memory" else 0
    async with await Collection.open("docs", tmp_path, embedder=WordBag(), memory_documents=limit) as opened:
        yield opened


async def pages(collection: Collection, text: str, corpus: list[Document], k: int, **more: Any) -> list[ScoredDocument]:
    """All of them, one after the other, until the node says that there are no more."""
    hits: list[ScoredDocument] = []
    after, follows = None, True
    while follows:
        asked = ask(text, statistics_of(corpus), k, after=after, **more)
        answer = await search_collections({"docs": collection}, asked, "shop")
        assert (answer.status, answer.error) == ("ok", None)
        assert answer.hits or not hits
        hits += answer.hits
        follows = answer.more
        if answer.hits:
            last = answer.hits[-1]
            after = Place(last.score, "shop", last.collection, last.id)
    return hits


@pytest.mark.parametrize("given", [None, Filter(field="price", op="lt", value=3)])
@pytest.mark.parametrize("k", [1, 7])
async def test_the_pages_together_are_the_long_list(collection: Collection, k: int, given: Filter | None) -> None:
    documents = corpus(44)
    await collection.index(documents)
    whole = await pages(collection, "word1 word2", documents, 100, filter=given)
    assert await pages(collection, "word1 word2", documents, k, filter=given) == whole
    assert len(whole) > 10


async def test_candidates_are_taken_from_ever_deeper_until_there_are_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the vector alone the index's order is the score's, so nothing may be missing."""
    monkeypatch.setattr("fleetfold_child.index.candidate_index._DEPTH", 5)
    documents = corpus(150)
    wanted: dict[int, list[ScoredDocument]] = {}
    for limit in (1000, 0):
        place = tmp_path / str(limit)
        async with await Collection.open("docs", place, embedder=WordBag(), memory_documents=limit) as collection:
            await collection.index(documents)
            wanted[limit] = await pages(collection, "word1 word2", documents, 4, terms=[], divisor=0.0)
    assert len(wanted[0]) > 40
    assert [one.id for one in wanted[0]] == [one.id for one in wanted[1000]]


async def test_no_page_of_candidates_repeats_a_hit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_child.index.candidate_index._DEPTH", 5)
    documents = corpus(150)
    async with await Collection.open("docs", tmp_path, embedder=WordBag(), memory_documents=0) as collection:
        await collection.index(documents)
        hits = await pages(collection, "word1 word2 word3", documents, 4)
    assert len({one.id for one in hits}) == len(hits)
    assert [one.score for one in hits] == sorted((one.score for one in hits), reverse=True)
    assert len(hits) > 80
