"""Leaving out documents by their terms changes no hit: the top k is that of scoring each of them exactly."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index import first_pass
from fleetfold_child.index.exact_scores import best
from fleetfold_child.index.filters import predicate
from fleetfold_child.index.interfaces import Query, Scored
from fleetfold_child.index.memory_index import MemoryIndex
from fleetfold_child.index.segment import Segment
from fleetfold_shared.messages.search_criteria import Filter, Sort
from support.search import document, entries, query, search, statistics_of

WORDS = [f"word{i}" for i in range(120)]
SIZE = 2400  # more than a sample of the best is worth


def corpus() -> list[Document]:
    """Words of unequal frequency, and twins, so that many scores are equal or nearly so."""
    chance = random.Random(11)
    weights = [1 / rank for rank in range(1, len(WORDS) + 1)]
    made = [" ".join(chance.choices(WORDS, weights, k=chance.randint(1, 25))) for _ in range(SIZE - 300)]
    twins = ["word3 word40 word41"] * 150 + ["word3 word41 word40 word0"] * 150
    return [document(f"d{i:04}", text, price=i % 50) for i, text in enumerate(made + twins)]


DOCUMENTS = corpus()
STATISTICS = statistics_of(DOCUMENTS)


@pytest.fixture(scope="module")
def segments() -> tuple[Segment, ...]:
    """Of unequal sizes, with some documents gone."""
    parts = [DOCUMENTS[:1900], DOCUMENTS[1900:2300], DOCUMENTS[2300:]]
    gone = [one.id for one in DOCUMENTS[::17]]
    return tuple(Segment.build(entries(part)).without(gone) for part in parts)


def index_of(segments: tuple[Segment, ...]) -> MemoryIndex:
    index = MemoryIndex()
    index._segments = segments
    return index


def naive(segments: tuple[Segment, ...], asked: Query) -> list[Scored]:
    """Every document scored exactly."""
    from fleetfold_child.index.memory_index import _exact

    accepts = predicate(asked.filter) if asked.filter is not None else lambda _: True
    found = [one for part in segments for one in _exact(part, np.flatnonzero(part.alive), asked)]
    return best([one for one in found if accepts(one.document)], asked)


queries = st.lists(st.sampled_from(WORDS[:60]), min_size=1, max_size=6).map(" ".join)


@given(
    text=queries,
    k=st.sampled_from([1, 3, 10, 60]),
    alpha=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
    threshold=st.sampled_from([None, -1.0, 0.2, 0.5]),
    below=st.sampled_from([None, 1, 40]),
    length=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)
async def test_the_top_k_is_that_of_scoring_each_document(
    segments: tuple[Segment, ...], text: str, k: int, alpha: float, threshold: float | None, below: int | None,
    length: float,
) -> None:  # fmt: skip
    given = Filter(field="price", op="lt", value=below) if below is not None else None
    asked = query(text, STATISTICS, k, alpha=alpha, threshold=threshold, filter=given)
    assert asked.vector is not None
    asked = replace(asked, vector=asked.vector * np.float32(length))
    assert await search(index_of(segments), asked) == naive(segments, asked)


async def test_few_cosines_are_computed_where_terms_say_enough(
    segments: tuple[Segment, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = 0
    dense = Segment.dense

    def counted(segment: Segment, asked: Query, rows: first_pass.Places | None = None) -> first_pass.Scores:
        nonlocal computed
        computed += len(segment) if rows is None else len(rows)
        return dense(segment, asked, rows)

    monkeypatch.setattr(Segment, "dense", counted)
    await search(index_of(segments), query("word40 word41", STATISTICS, 10))
    assert 0 < computed < SIZE / 4


@pytest.mark.parametrize("more", [{}, {"facets": ["price"]}, {"sort": [Sort("price")]}, {"vector": None}])
async def test_a_search_whose_time_is_over_stops(segments: tuple[Segment, ...], more: dict[str, object]) -> None:
    asked = replace(query("word1 word2", STATISTICS), until=time.perf_counter() - 1.0, **more)
    with pytest.raises(TimeoutError):
        await index_of(segments).find(asked)
    assert await search(index_of(segments), replace(asked, until=math.inf))
