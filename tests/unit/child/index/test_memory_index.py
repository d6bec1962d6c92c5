from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.memory_index import MemoryIndex
from fleetfold_shared.messages.search_criteria import Filter
from fleetfold_shared.text.term_statistics import MergedCorpus
from support.search import document, entries, query, reference_scores, search, statistics_of

WORDS = ["red", "blue", "shoe", "hat", "wine", "cheese", "bank", "card", "東京"]
contents = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
batches = st.lists(
    st.dictionaries(st.sampled_from("abcdefgh"), st.none() | contents, max_size=5), min_size=1, max_size=8
)


@given(batches, contents, st.integers(1, 5))
def test_the_top_k_is_the_references_whatever_came_and_went(
    rounds: list[dict[str, str | None]], text: str, k: int
) -> None:
    index, there = MemoryIndex(), {}

    async def play() -> list[tuple[str, float]]:
        for changes in rounds:
            new = [document(i, c) for i, c in changes.items() if c is not None]
            gone = [i for i, c in changes.items() if c is None]
            there.update({d.id: d for d in new})
            for one in gone:
                there.pop(one, None)
            await index.apply(entries(new), gone)
        found = await search(index, query(text, statistics_of(there.values()), k))
        assert await index.ids() == there.keys()
        assert await index.documents(there) == there
        return [(one.document.id, one.score) for one in found]

    found = asyncio.run(play())
    expected = list(reference_scores(text, list(there.values())).items())[:k] if there else []
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-7)
    assert dict(found).keys() == dict(expected).keys() or len(expected) == k


def corpus(size: int, seed: int = 7) -> list[Document]:
    chance = random.Random(seed)
    words = [f"word{i}" for i in range(200)]
    return [
        document(f"d{i}", " ".join(chance.choices(words, k=chance.randint(1, 30))), price=chance.randint(0, 100))
        for i in range(size)
    ]


async def test_nodes_that_are_merged_are_one_index_to_the_last_bit() -> None:
    documents = [*corpus(300), *(document(f"twin{i}", "word1 word2 word3") for i in range(7))]
    shares = [documents[0::3], documents[1::3], documents[2::3]]
    merged = MergedCorpus([statistics_of(share) for share in shares])
    one, nodes = MemoryIndex(), [MemoryIndex() for _ in shares]
    await one.apply(entries(documents), ())
    for node, share in zip(nodes, shares, strict=True):
        await node.apply(entries(share), ())
    for text in ("word1 word2", "word3 word4 word5 word6", "word7 " * 5, "the of"):
        asked = query(text, merged, 10)
        fold = [found for node in nodes for found in await search(node, asked)]
        fold.sort(key=lambda found: (-found.score, found.document.id))
        assert fold[:10] == await search(one, query(text, statistics_of(documents), 10))


async def test_equal_documents_get_equal_scores_wherever_they_lie() -> None:
    documents = corpus(500)
    twins = [document(f"twin{i}", "word1 word2 word3") for i in range(9)]
    index = MemoryIndex()
    for start in range(0, 500, 50):
        await index.apply(entries([*documents[start : start + 50], *twins[start // 50 : start // 50 + 1]]), ())
    found = await search(index, query("word1 word2", statistics_of([*documents, *twins]), 200))
    scores = [(one.document.id, one.score) for one in found if one.document.id.startswith("twin")]
    assert len({score for _, score in scores}) == 1
    assert [one for one, _ in scores] == sorted(one for one, _ in scores)


async def test_a_filter_and_a_threshold_keep_the_best_that_pass() -> None:
    documents = corpus(400)
    index = MemoryIndex()
    await index.apply(entries(documents), ())
    cheap = {one.id for one in documents if one.metadata["price"] < 5}
    found = await search(
        index,
        query(
            "word1 word2 word3",
            statistics_of(documents),
            5,
            filter=Filter(field="price", op="lt", value=5),
            threshold=0.05,
        ),
    )
    expected = [(i, s) for i, s in reference_scores("word1 word2 word3", documents).items() if i in cheap and s >= 0.05]
    assert [one.document.id for one in found] == [one for one, _ in expected[:5]]


async def test_searches_go_on_while_the_index_is_written() -> None:
    documents = corpus(600)
    index, statistics = MemoryIndex(), statistics_of(documents)
    done = asyncio.Event()

    async def write() -> None:
        for start in range(0, 600, 20):
            await index.apply(entries(documents[start : start + 20]), ())
        done.set()

    writing = asyncio.create_task(write())
    while not done.is_set():
        found = await search(index, query("word1 word2", statistics, 10))
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
        await asyncio.sleep(0)
    await writing
    found = await search(index, query("word1 word2", statistics, 10))
    assert [one.document.id for one in found] == list(reference_scores("word1 word2", documents))[:10]
