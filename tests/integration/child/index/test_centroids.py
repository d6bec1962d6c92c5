"""A collection's centroids: of its vectors, told with the statistics, and remade when it has changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from fleetfold_child.index.collection import Collection
from fleetfold_shared.messages import StatisticsRequest
from fleetfold_shared.text.centroid_format import Centroids, unpack_centroids
from support.search import WordBag


@pytest.fixture
async def docs(tmp_path: Path) -> AsyncIterator[Collection]:
    async with await Collection.open("docs", tmp_path, embedder=WordBag()) as collection:
        yield collection


async def told(collection: Collection) -> Centroids:
    chunk = await collection.summary(StatisticsRequest(collection="docs"))
    return unpack_centroids(chunk.centroids, chunk.sizes)


async def put(collection: Collection, word: str, count: int) -> None:
    await collection.index([{"id": f"{word}{number}", "text": word} for number in range(count)])


async def test_each_kind_of_document_has_a_centroid_and_its_size(docs: Collection) -> None:
    await put(docs, "tent", 30)
    await put(docs, "invoice", 10)
    found = await told(docs)
    wanted = WordBag().embed(["tent", "invoice"])
    assert np.max(wanted @ found.vectors.T, axis=1) == pytest.approx([1.0, 1.0], abs=1e-3)
    assert sorted(found.sizes.tolist()) == [10, 30]


async def test_an_empty_collection_has_none(docs: Collection) -> None:
    assert len(await told(docs)) == 0


async def test_they_are_remade_when_a_tenth_has_changed_and_not_before(docs: Collection) -> None:
    await put(docs, "tent", 100)
    before = docs._centroids._known
    first = await told(docs)
    assert before is not docs._centroids._known
    await put(docs, "invoice", 9)
    assert (await told(docs)).sizes.tolist() == first.sizes.tolist()
    await put(docs, "physics", 2)
    assert sum((await told(docs)).sizes) == 111


async def test_a_sample_stands_for_all(docs: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_child.index.centroids._SAMPLE", 100)
    await docs.index([{"id": f"d{number}", "text": f"tent {number}"} for number in range(400)])
    sampled = await docs._table.sample_vectors(100, 400)
    assert 50 < len(sampled) < 170
    assert np.array_equal(sampled, await docs._table.sample_vectors(100, 400))
    assert sum((await told(docs)).sizes) == pytest.approx(400, abs=16)


async def test_a_restart_makes_the_same_ones(tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        async with await Collection.open("docs", tmp_path, embedder=WordBag()) as collection:
            await put(collection, "tent", 20)
            await put(collection, "invoice", 20)
            found.append(await told(collection))
    assert np.array_equal(found[0].vectors, found[1].vectors)
