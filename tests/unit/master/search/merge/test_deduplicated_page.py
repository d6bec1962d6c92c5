"""A page without duplicates holds as many hits as were asked for, where there are so many; and only true ones."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.search.merge.answer_size import MAX_SOURCES_BYTES, fitting_sources
from fleetfold_master.search.merge.deduplicated_page import DeduplicatedPage
from fleetfold_master.search.merge.deduplication import Candidate, distinct
from fleetfold_master.search.merge.merge import merge
from fleetfold_master.search.plan.shard_request import deduplication_k
from fleetfold_master.search.shard_response import ShardResponse
from fleetfold_shared.messages import (
    Fingerprints,
    Hit,
    NodeReport,
    Parts,
    ScoredDocument,
    SearchAnswer,
    SearchRequest,
    Source,
)

Shelf = dict[str, list[ScoredDocument]]


def document(identity: str, score: float, content: str) -> ScoredDocument:
    return ScoredDocument("c", identity, score, Parts(score, 0.0), marks=Fingerprints(content.encode()))


class Nodes:
    """Nodes that give their top k. `silent` ones answer the first question only."""

    def __init__(self, shelf: Shelf, silent: tuple[str, ...] = ()) -> None:
        self.shelf, self.silent, self.asks = shelf, silent, list[SearchRequest]()

    async def answer(self, nodes: list[str], ask: SearchRequest, _timeout_s: float) -> Any:
        self.asks.append(ask)
        return {node: self._one(node, ask.k) for node in nodes}

    def _one(self, node: str, k: int) -> ShardResponse:
        if node in self.silent and len(self.asks) > 1:
            return ShardResponse(NodeReport(node, "timeout"))
        hits = self.shelf[node][:k]
        return ShardResponse(NodeReport(node, "ok", len(hits), 1.5), SearchAnswer(hits=hits))


def first_ask(limit: int) -> SearchRequest:
    return SearchRequest(
        request="r1",
        terms=[],
        avgdl=1.0,
        divisor=1.0,
        k=deduplication_k(limit),
        deadline_ms=1000,
        analyzer="a",
        embedder="e",
    )


async def page(nodes: Nodes, limit: int, left_s: float = 5.0) -> tuple[list[Hit], Any]:
    ask = first_ask(limit)
    answers = await nodes.answer(list(nodes.shelf), ask, left_s)
    return await DeduplicatedPage(limit, nodes.answer, None).fill(ask, answers, left_s)


def shelf_of(contents: dict[str, list[str]]) -> Shelf:
    """The documents of each node, the earlier the better; score ties across nodes."""
    return {
        node: [document(f"{place:03}", 1.0 - place / 1000, one) for place, one in enumerate(listed)]
        for node, listed in contents.items()
    }


contents = st.dictionaries(st.sampled_from(["shop", "blog", "crm"]), st.lists(st.sampled_from("abcdefgh"), max_size=40))


@given(contents, st.integers(1, 6), st.sampled_from([(), ("shop",)]))
async def test_the_page_is_what_one_ranking_of_everything_without_duplicates_begins_with(
    stored: dict[str, list[str]], limit: int, silent: tuple[str, ...]
) -> None:
    shelf = shelf_of(stored)
    whole = merge(shelf, 1000)
    marks = {(node, one.id): one.marks or Fingerprints() for node, hits in shelf.items() for one in hits}
    wanted = [hit for _, hit in distinct([Candidate(hit, marks[hit.node, hit.id]) for hit in whole], limit)]
    hits, answers = await page(Nodes(shelf, silent), limit)
    shown = [(hit.node, hit.id) for hit in hits]
    assert shown == [(hit.node, hit.id) for hit in wanted][: len(shown)]
    if not silent:
        assert len(shown) == len(wanted)
    assert all(report.status == "ok" for report, _ in answers.values())


@given(contents, st.randoms(use_true_random=False))
async def test_it_does_not_matter_who_answers_first(stored: dict[str, list[str]], chance: random.Random) -> None:
    shelf = shelf_of(stored)
    shuffled = dict(chance.sample(list(shelf.items()), len(shelf)))
    assert (await page(Nodes(shuffled), 4))[0] == (await page(Nodes(shelf), 4))[0]


async def test_nodes_that_have_more_are_asked_again_when_too_many_fell_away() -> None:
    nodes = Nodes(shelf_of({"shop": ["same"] * 30 + ["b", "c"], "blog": ["d"]}))
    hits, answers = await page(nodes, 4)
    assert [hit.id for hit in hits] == ["000", "000", "030", "031"]
    assert [ask.k for ask in nodes.asks] == [8, 32]
    assert len({ask.request for ask in nodes.asks}) == 2
    assert (answers["shop"][0].count, answers["shop"][0].ms) == (32, 3.0)
    assert answers["blog"][0].ms == 1.5


async def test_without_time_the_page_is_shorter_and_true() -> None:
    nodes = Nodes(shelf_of({"shop": ["same"] * 30, "blog": ["d"] + ["e"] * 5}))
    hits, _ = await page(nodes, 4, left_s=0.0)
    assert [(hit.node, hit.id) for hit in hits] == [("blog", "000"), ("shop", "000"), ("blog", "001")]
    assert len(nodes.asks) == 1


def test_sources_that_do_not_fit_are_counted() -> None:
    sources = [Source("node", "collection", "i" * 500, 0.5)] * 1000
    bare = Hit("a", "c", "1", 1.0, {}, "title", "content")
    many = msgspec.structs.replace(bare, also=sources)
    fitted = fitting_sources([many, bare, many])
    for hit in fitted:
        assert len(hit.also) + hit.also_left_out in (0, 1000)
    assert fitted[1] == bare
    assert 0 < len(fitted[0].also) < len(fitted[2].also)
    assert len(msgspec.json.encode(fitted)) < MAX_SOURCES_BYTES + 1000
    few = [msgspec.structs.replace(bare, also=sources[:2])]
    assert fitting_sources(few) == few
