"""Both indexes keep the same promises."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index import Collection, search_collections
from fleetfold_shared.messages.search import ScoredDocument
from fleetfold_shared.messages.search_criteria import Filter, Sort
from fleetfold_shared.text.term_statistics import StatisticsTable
from support.search import WordBag, ask, document, reference_scores

WORDS = [f"word{i}" for i in range(60)] + ["Łódź", "東京", "it's"]


def corpus(size: int, seed: int) -> list[Document]:
    chance = random.Random(seed)
    return [
        document(
            f"d{i:02}", " ".join(chance.choices(WORDS, k=chance.randint(0, 20))), f"it's title {i % 5}", price=i % 10
        )
        for i in range(size)
    ]


@pytest.fixture(params=["memory", "candidates"])
async def collection(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Collection]:
    limit = 1000 if request.param == "memory" else 0
    async with await Collection.open("docs", tmp_path, embedder=WordBag(), memory_documents=limit) as opened:
        yield opened


async def search(collection: Collection, text: str, **more: object) -> list[ScoredDocument]:
    table = StatisticsTable()
    while not table.apply(collection.statistics(table.ask("docs"))):
        pass
    hits, exact = await collection.search(ask(text, table, **more))  # type: ignore[arg-type]
    assert exact is (collection._committer.index.exact)
    return hits


def expected(text: str, documents: list[Document], k: int = 10) -> list[tuple[str, float]]:
    return [(one, pytest.approx(score, abs=1e-6)) for one, score in list(reference_scores(text, documents).items())[:k]]


@pytest.mark.parametrize("text", ["word1 word2 word2", "Łódź 東京", "absent words", "the of and", "word3 " * 30])
async def test_the_top_k_is_the_references(collection: Collection, text: str) -> None:
    documents = corpus(40, 3)
    await collection.index(documents)
    assert [(hit.id, hit.score) for hit in await search(collection, text)] == expected(text, documents)


async def test_the_top_k_follows_every_change(collection: Collection) -> None:
    there = {one.id: one for one in corpus(40, 4)}
    await collection.index(there.values())
    for one in corpus(30, 5)[:20]:
        there[one.id] = one
    assert (await collection.index(there.values())).changed == 20
    await collection.delete(["d03", "d33"])
    del there["d03"], there["d33"]
    await collection.update("d01", {"text": "word1 word1"})
    there["d01"] = document("d01", "word1 word1", there["d01"].title, **there["d01"].metadata)
    assert collection.count == 38
    hits = await search(collection, "word1 word7")
    assert [(hit.id, hit.score) for hit in hits] == expected("word1 word7", list(there.values()))


@pytest.mark.parametrize(
    "given",
    [
        Filter(field="price", op="lt", value=3),
        Filter(field="title", value="it's title 2"),
        Filter(field="title", op="contains", value="it's"),
        Filter(
            all=[Filter(field="id", op="gte", value="d20"), Filter(none=[Filter(field="title", value="it's title 1")])]
        ),
        Filter(any=[Filter(field="id", op="in", value=["d01", "d02"]), Filter(field="price", value=9)]),
    ],
)
async def test_a_filter_leaves_the_best_that_pass(collection: Collection, given: Filter) -> None:
    from fleetfold_child.index.filters import predicate

    documents = corpus(40, 6)
    await collection.index(documents)
    passing = {one.id for one in documents if predicate(given)(one)}
    assert 0 < len(passing) <= 40
    wanted = [one for one in expected("word1 word2", documents, 40) if one[0] in passing][:5]
    assert [(hit.id, hit.score) for hit in await search(collection, "word1 word2", filter=given, k=5)] == wanted


async def test_a_threshold_and_a_limit_cut_the_list(collection: Collection) -> None:
    documents = corpus(40, 8)
    await collection.index(documents)
    every = await search(collection, "word1 word2 word3", k=40)
    assert await search(collection, "word1 word2 word3", k=3) == every[:3]
    cut = (every[4].score + every[5].score) / 2
    assert await search(collection, "word1 word2 word3", threshold=cut) == every[:5]


async def test_a_query_without_a_vector_is_answered_by_its_terms(collection: Collection) -> None:
    documents = corpus(40, 9)
    await collection.index(documents)
    hits = await search(collection, "word1", vector=None)
    assert {hit.id for hit in hits} == {one.id for one in documents if "word1" in one.content.split()}
    assert all(hit.parts.cosine == 0 for hit in hits)


@pytest.mark.parametrize("sort", [[], [Sort("price", "desc"), Sort("id")]])
async def test_hits_and_facets_come_together(collection: Collection, sort: list[Sort]) -> None:
    documents = corpus(40, 10)
    await collection.index(documents)
    given = Filter(field="price", op="lt", value=7)
    plain = await search(collection, "word1 word2", filter=given, sort=sort, k=40)
    asked = ask("word1 word2", collection._statistics, filter=given, sort=sort, k=3, facets=["price", "title"])
    answer = await search_collections({"docs": collection}, asked)
    assert [hit.id for hit in answer.hits] == [hit.id for hit in plain[:3]]
    assert {value.value: value.count for value in answer.facets[0].values} == Counter(
        hit.metadata["price"] for hit in plain
    )
    assert sum(value.count for value in answer.facets[1].values) == len(plain) > 3


async def test_an_empty_collection_has_no_hits(collection: Collection) -> None:
    assert await search(collection, "word1") == []
