"""Behind a place the index in memory finds what follows it, to the last of many that are nearly equal."""

from __future__ import annotations

import random

import pytest

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.interfaces import After, Scored
from fleetfold_child.index.memory_index import MemoryIndex
from fleetfold_shared.messages.search_criteria import Filter
from support.search import document, entries, query, search, statistics_of

TEXT = "word1 word2 word3"


def corpus() -> list[Document]:
    """Many twins, and many whose scores differ by less than float32 can tell: a long document's length is one more."""
    chance = random.Random(3)
    twins = [document(f"twin{i:02}", TEXT, price=i % 5) for i in range(60)]
    near = [document(f"near{i:02}", "word1 " + "filler " * (4000 + i), price=i % 5) for i in range(60)]
    words = [f"word{i}" for i in range(50)]
    others = [document(f"d{i}", " ".join(chance.choices(words, k=9)), price=i % 5) for i in range(120)]
    return [*twins, *near, *others]


@pytest.mark.parametrize("size", [1, 7, 50])
@pytest.mark.parametrize("given", [None, Filter(field="price", op="lt", value=3)])
async def test_the_pages_together_are_the_long_list(size: int, given: Filter | None) -> None:
    documents = corpus()
    chance, statistics, index = random.Random(5), statistics_of(documents), MemoryIndex()
    chance.shuffle(documents)
    for start in range(0, len(documents), 80):
        await index.apply(entries(documents[start : start + 80]), ())
    whole = await search(index, query(TEXT, statistics, 1000, filter=given))
    pages: list[Scored] = []
    after = None
    while page := await search(index, query(TEXT, statistics, size, filter=given, after=after)):
        assert len(page) == min(size, len(whole) - len(pages))
        pages += page
        after = After(page[-1].score, page[-1].document.id)
    assert pages == whole
    assert len(whole) > 100


@pytest.mark.parametrize(("tie", "left"), [(None, 0), ("", 3), ("b", 1)])
async def test_of_equal_scores_those_behind_the_place_are_left(tie: str | None, left: int) -> None:
    documents = [document(one, "red shoe") for one in "abc"]
    index, statistics = MemoryIndex(), statistics_of(documents)
    await index.apply(entries(documents), ())
    [best, *_] = await search(index, query("red", statistics))
    found = await search(index, query("red", statistics, after=After(best.score, tie)))
    assert len(found) == left
