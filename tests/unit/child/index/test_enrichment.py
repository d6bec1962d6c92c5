"""Highlights and explanations are made for who asks, and never cost the answer."""

from __future__ import annotations

import asyncio
import time

import pytest

from fleetfold_child.index import hit_enrichment
from fleetfold_child.index.hit_enrichment import enriched, enriched_in_time
from fleetfold_shared.messages import Parts, ScoredDocument, SearchRequest
from support.search import ask, document, statistics_of

HITS = [ScoredDocument("docs", str(number), 0.5, Parts(0.5, 0.1), "A tent", "A light tent.") for number in range(3)]


def asked(**more: bool) -> SearchRequest:
    return ask("tents", statistics_of([document("1", "A light tent.", "A tent")]), **more)


@pytest.mark.parametrize(("highlight", "explain"), [(True, False), (False, True), (True, True)])
def test_each_is_made_if_it_is_asked_for(highlight: bool, explain: bool) -> None:
    made = enriched(HITS, asked(highlight=highlight, explain=explain), time.monotonic() + 60)
    assert {(one.highlight is not None, one.explain is not None) for one in made} == {(highlight, explain)}


def test_it_stops_between_hits_when_time_is_over() -> None:
    with pytest.raises(TimeoutError):
        enriched(HITS, asked(highlight=True), time.monotonic() - 1)


async def test_without_time_the_hits_are_as_they_were() -> None:
    assert await enriched_in_time(HITS, asked(highlight=True), 0.0) == HITS


async def test_what_takes_too_long_costs_half_of_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    freed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(*_: object) -> None:
        asyncio.run_coroutine_threadsafe(freed.wait(), loop).result()

    monkeypatch.setattr(hit_enrichment, "enriched", slow)
    assert await enriched_in_time(HITS, asked(highlight=True), 0.1) == HITS
    freed.set()
