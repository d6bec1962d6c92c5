"""The rows of quality in a real store: bounded, added up, and dropped when they are old."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fleetfold_master.evaluation import Judgements, SearchStatistics
from fleetfold_master.evaluation.evaluation import Evaluation, ReportScope
from fleetfold_master.evaluation.evaluation_rows import read_clicks, read_counts
from fleetfold_master.store import Store
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Overloaded
from fleetfold_shared.messages import NodeReport, QualityClick, Search, Searched

DAY_S = 86_400


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = await Store.open(database_url)
    yield store
    await store.close()


def click(rank: int) -> QualityClick:
    return QualityClick(query="tent", node="shop", collection="products", id="t1", rank=rank)


async def test_of_too_many_clicks_the_latest_of_the_query_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Judgements(store, ManualClock())
    await book.click(QualityClick(query="stove", node="shop", collection="products", id="t1", rank=9), "rita")
    for rank in range(1, 1004):
        await book.click(click(rank), "rita")
    ranks = {one.rank: times for one, times in await read_clicks(store, 0)}
    assert sum(ranks.values()) == 1001
    assert set(range(1, 4)).isdisjoint(ranks)
    assert ranks[9] == 2


async def test_counts_of_a_day_add_up_and_go_when_they_are_old(store: Store) -> None:
    clock = ManualClock()
    counts, book = SearchStatistics(store, clock, 2), Judgements(store, clock)
    found = Searched(query="a", hits=[], nodes=[NodeReport("shop", "ok")], total=0, took_ms=1.0, partial=False)
    await book.click(click(1), "rita")
    for _ in range(2):
        counts.searched(Search(query="a"), found, lambda _: [])
        await counts.save()
    assert {(one.node, one.searches, one.empty) for one in await read_counts(store, 0)} == {("", 2, 2), ("shop", 2, 2)}
    clock.advance(3 * DAY_S)
    await counts.prune()
    assert await read_counts(store, 0) == []
    assert await read_clicks(store, 0) == []


async def test_one_report_is_made_at_a_time(store: Store) -> None:
    async def search(ask: Search) -> Searched:
        raise AssertionError(ask)

    measuring, asked = Evaluation(store, search, ManualClock()), ReportScope({}, [], 10, 30, 1.0, whole=True)
    async with measuring._busy:
        with pytest.raises(Overloaded):
            await measuring.report(asked)
    assert (await measuring.report(asked)).judged == 0
