"""The index in memory, counting and sorting: what looking at every document would give."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.interfaces import Scored
from fleetfold_child.index.memory_index import MemoryIndex
from fleetfold_shared.messages.search_criteria import Filter, Scalar, Sort
from fleetfold_shared.query.facets import FacetCounter
from fleetfold_shared.query.sorting import sorted_stably
from fleetfold_shared.query.value_normalisation import plain
from support.search import document, entries, query, reference_scores, search, statistics_of

PRICES = [1, 2, 2.5, 10, "1", "on request", True, False, None, ["a", "b"], {"x": 1}]
WORDS = [f"word{i}" for i in range(30)]


def corpus(size: int, seed: int) -> list[Document]:
    chance = random.Random(seed)
    made: list[Document] = []
    for i in range(size):
        more = {"price": chance.choice(PRICES)} if chance.random() < 0.8 else {}
        text = " ".join(chance.choices(WORDS, k=chance.randint(1, 12)))
        made.append(document(f"d{i}", text, f"title {i % 7}", specs={"weight": i % 5}, **more))
    return made


async def index_of(documents: Sequence[Document]) -> MemoryIndex:
    """In several segments, with some that were replaced and some that are gone."""
    index = MemoryIndex()
    await index.apply(entries(document(one.id, "word1 word2", price="old") for one in documents[::3]), ())
    await index.apply(entries([document("gone", "word1 word2", price="gone")]), ())
    for start in range(0, len(documents), 100):
        await index.apply(entries(documents[start : start + 100]), ())
    await index.apply((), ["gone"])
    return index


def read(one: Document, field: str) -> object:
    return {"title": one.title, "price": one.metadata.get("price"), "specs.weight": one.metadata["specs"]["weight"]}[
        field
    ]


@pytest.mark.parametrize("threshold", [None, 0.2, -1.0])
@pytest.mark.parametrize("given", [None, Filter(field="specs.weight", op="lt", value=2)])
async def test_facets_count_every_document_that_matches(threshold: float | None, given: Filter | None) -> None:
    documents = corpus(300, 1)
    scores = reference_scores("word1 word2", documents)
    asked = [
        one for one in documents
        if one.id in scores and (threshold is None or scores[one.id] >= threshold)
        and (given is None or one.metadata["specs"]["weight"] < 2)
    ]  # fmt: skip
    assert 10 < len(asked) < 300
    fields = ["price", "title", "specs.weight"]
    index = await index_of(documents)
    asking = query("word1 word2", statistics_of(documents), 3, facets=fields, threshold=threshold, filter=given)
    for field, counter in zip(fields, (await index.find(asking)).facets, strict=True):
        wanted = FacetCounter()
        wanted.count(read(one, field) for one in asked)
        assert (counter.most(99), counter.missing) == (wanted.most(99), wanted.missing), field


async def test_at_a_threshold_facets_and_hits_are_of_the_same_documents() -> None:
    """Scores so close to it that float32 cannot tell."""
    documents = corpus(300, 2)
    index, statistics = await index_of(documents), statistics_of(documents)
    every = await search(index, query("word1 word2", statistics, 300))
    scores = [one.score for one in every]
    for threshold in (scores[0], math.nextafter(scores[0], 2), scores[10], math.nextafter(scores[10], 2)):
        [counter] = (await index.find(query("word1 word2", statistics, threshold=threshold, facets=["id"]))).facets
        assert counter.distinct == sum(score >= threshold for score in scores)


@pytest.mark.parametrize("asked", [["price"], [], ["price", "absent"]])
async def test_an_empty_index_counts_nothing_for_each_facet(asked: list[str]) -> None:
    counters = (await MemoryIndex().find(query("word1", statistics_of([]), facets=asked))).facets
    assert [(counter.distinct, counter.missing) for counter in counters] == [(0, 0)] * len(asked)


keys = st.builds(Sort, st.sampled_from(["price", "specs.weight", "title", "_score"]), st.sampled_from(["asc", "desc"]))


@given(st.lists(keys, min_size=1, max_size=3, unique_by=lambda sort: sort.field), st.integers(1, 40), st.booleans())
async def test_the_top_k_by_any_keys_is_the_references(sorts: list[Sort], k: int, filtered: bool) -> None:
    documents = corpus(120, 3)
    given = Filter(field="specs.weight", op="gte", value=2) if filtered else None
    index, statistics = await index_of(documents), statistics_of(documents)
    ranked = await search(index, query("word1 word2", statistics, 120, filter=given))

    def values(one: Scored) -> list[Scalar]:
        return [one.score if sort.field == "_score" else plain(read(one.document, sort.field)) for sort in sorts]

    wanted = [one.document.id for one in sorted_stably(ranked, sorts, values)][:k]
    found = await search(index, query("word1 word2", statistics, k, sort=sorts, filter=given))
    assert [one.document.id for one in found] == wanted


async def test_documents_of_one_score_and_key_come_in_the_order_of_their_ids() -> None:
    twins = [document(f"t{i:02}", "word1 word2", price=1) for i in range(40)]
    index = MemoryIndex()
    for start in (30, 10, 20, 0):
        await index.apply(entries(twins[start : start + 10]), ())
    found = await search(index, query("word1", statistics_of(twins), 5, sort=[Sort("price")]))
    assert [one.document.id for one in found] == [f"t{i:02}" for i in range(5)]


async def test_a_sorted_hit_has_its_values_and_scores_what_it_scores_unsorted() -> None:
    documents = corpus(80, 4)
    index, statistics = await index_of(documents), statistics_of(documents)
    plainly = {one.document.id: one.score for one in await search(index, query("word1", statistics, 80))}
    sorts = [Sort("specs.weight", "desc"), Sort("_score")]
    for one in await search(index, query("word1", statistics, 20, sort=sorts)):
        assert one.score == plainly[one.document.id]
        assert one.sort == (one.document.metadata["specs"]["weight"], one.score)
