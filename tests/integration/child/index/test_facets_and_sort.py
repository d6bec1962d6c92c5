"""Both indexes count and sort alike, as long as all documents are among the candidates."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index import Collection, search_collections
from fleetfold_shared.messages.search import SearchAnswer
from fleetfold_shared.messages.search_criteria import FacetCounts, Filter, Sort
from fleetfold_shared.text.term_statistics import StatisticsTable
from support.search import WordBag, ask, document, reference_scores

WORDS = [f"word{i}" for i in range(20)]
BRANDS = ["Fjell", "Acme", 7, True]


def corpus(size: int, prefix: str) -> list[Document]:
    chance = random.Random(prefix)
    return [
        document(
            f"{prefix}{i:02}", " ".join(chance.choices(WORDS, k=chance.randint(1, 9))),
            brand=chance.choice(BRANDS), specs={"weight": i % 6},
        )
        for i in range(size)
    ]  # fmt: skip


@pytest.fixture(params=["memory", "candidates"])
async def collections(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[str, Collection]]:
    limit = 1000 if request.param == "memory" else 0
    async with (
        await Collection.open("one", tmp_path, embedder=WordBag(), memory_documents=limit) as one,
        await Collection.open("two", tmp_path, embedder=WordBag(), memory_documents=limit) as two,
    ):
        await one.index(corpus(40, "a"))
        yield {"one": one, "two": two}


async def answer(there: dict[str, Collection], **more: object) -> SearchAnswer:
    table = StatisticsTable()
    while not table.apply(there["one"].statistics(table.ask("one"))):
        pass
    return await search_collections(there, ask("word1 word2", table, **more))  # type: ignore[arg-type]


def matching(documents: list[Document]) -> list[Document]:
    scores = reference_scores("word1 word2", documents)
    return [one for one in documents if one.id in scores]


async def test_a_node_counts_all_that_match_in_all_its_collections(collections: dict[str, Collection]) -> None:
    await collections["two"].index([document("b1", "word1", brand="Fjell"), document("b2", "word1", brand=["Acme", 7])])
    found = await answer(collections, k=2, facets=["brand", "specs.weight"])
    brand, weight = found.facets
    documents = matching(corpus(40, "a"))
    wanted = {value: sum(one.metadata["brand"] is value for one in documents) for value in BRANDS}
    assert {one.value: one.count for one in brand.values} == {
        **wanted,
        "Fjell": wanted["Fjell"] + 1,
        "Acme": wanted["Acme"] + 1,
        7: wanted[7] + 1,
    }
    assert (weight.field, weight.missing, weight.cut) == ("specs.weight", 2, False)
    assert sum(one.count for one in weight.values) == len(documents)
    assert len(found.hits) == 2


async def test_a_node_sorts_over_all_its_collections(collections: dict[str, Collection]) -> None:
    await collections["two"].index([document("b1", "word1", specs={"weight": 3.5}), document("b2", "word1 word2")])
    found = await answer(collections, k=8, sort=[Sort("specs.weight", "desc"), Sort("id")])
    ranked = sorted(matching(corpus(40, "a")), key=lambda one: (-one.metadata["specs"]["weight"], one.id))
    ids = [one.id for one in ranked]
    place = sum(one.metadata["specs"]["weight"] > 3.5 for one in ranked)
    assert [hit.id for hit in found.hits] == [*ids[:place], "b1", *ids[place:]][:8]
    assert [hit.sort[1] for hit in found.hits] == [hit.id for hit in found.hits]
    every = await answer(collections, k=100, sort=[Sort("specs.weight")])
    assert (every.hits[-1].id, every.hits[-1].sort) == ("b2", (None,))


async def test_facets_and_sort_go_through_the_filter(collections: dict[str, Collection]) -> None:
    given = Filter(field="specs.weight", op="lt", value=2)
    found = await answer(collections, facets=["specs.weight"], sort=[Sort("specs.weight", "desc")], filter=given)
    assert sorted(one.value for one in found.facets[0].values) == [0, 1]
    assert found.hits[0].metadata["specs"]["weight"] == 1


async def test_hits_without_facets_or_sort_are_the_same_with_them(collections: dict[str, Collection]) -> None:
    plain, counted = await answer(collections), await answer(collections, facets=["brand"])
    assert counted.hits == plain.hits
    assert (plain.facets, [hit.sort for hit in plain.hits]) == ([], [()] * len(plain.hits))


async def test_an_empty_collection_has_facets_without_values(collections: dict[str, Collection]) -> None:
    found = await answer(collections, collections=["two"], facets=["brand"], sort=[Sort("brand")])
    assert (found.facets, found.hits) == ([FacetCounts("brand")], [])


@pytest.mark.parametrize(
    ("field", "more"), [("facets[1]", {"facets": ["a", "a"]}), ("sort[0].field", {"sort": [Sort("")]})]
)
async def test_a_node_refuses_what_it_cannot_count_or_sort_by(
    collections: dict[str, Collection], field: str, more: dict[str, object]
) -> None:
    found = await answer(collections, **more)
    assert found.status == "error"
    assert (found.error or "").startswith(field)


async def test_a_collection_whose_facets_take_too_long_is_left_out(
    collections: dict[str, Collection], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(collections["two"], "search", never)
    found = await answer(collections, facets=["brand"], deadline_ms=200)
    assert (found.status, found.left_out) == ("partial", ["two"])
    assert {hit.collection for hit in found.hits} == {"one"}
