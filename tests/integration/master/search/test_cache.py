"""Kept answers in a real database: they outlive the master, within their bytes and their time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from fleetfold_master.search.cache.memory_store import Entry
from fleetfold_master.search.cache.query_cache import Cache, CacheRequest
from fleetfold_master.search.cache.table_store import TableStore
from fleetfold_master.store import Store
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import SearchConfig
from fleetfold_shared.messages import NodeReport, Search, Searched


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = await Store.open(database_url)
    yield store
    await store.close()


def entry(clock: ManualClock, text: str = "tent", times: int = 1000) -> Entry:
    return Entry(b'{"query":"' + f"{text} ".encode() * times + b'"}', clock.wall(), 5.0)


async def reopened(store: Store, clock: ManualClock, most: int = 10_000) -> TableStore:
    table = TableStore(store, clock, 900.0, most)
    await table.load()
    return table


async def test_the_next_master_finds_what_was_saved(store: Store) -> None:
    clock = ManualClock()
    table = TableStore(store, clock, 900.0, 10_000)
    kept = entry(clock)
    table.put("a", kept)
    await table.save()
    clock.advance(100.0)
    again = await reopened(store, clock)
    assert again.has("a")
    assert await again.get("a") == kept
    assert 0 < again.bytes == table.bytes < 1000  # packed
    clock.advance(800.0)
    assert await again.get("a") is None
    await again.save()
    assert (len(again), again.bytes, len(await reopened(store, clock))) == (0, 0, 0)


async def test_a_newer_answer_takes_the_place_of_an_older_one(store: Store) -> None:
    clock = ManualClock()
    table = TableStore(store, clock, 900.0, 10_000)
    for text in ("old", "new", "newest"):
        table.put("a", entry(clock, text))
        if text != "new":
            await table.save()
    assert await (await reopened(store, clock)).get("a") == entry(clock, "newest")
    assert len(table) == 1


async def test_the_table_is_bounded_and_what_was_used_least_lately_goes(store: Store) -> None:
    clock = ManualClock()
    table = TableStore(store, clock, 900.0, 1000)
    for key in "abcdefghij":
        table.put(key, Entry(b'{"k":"' + key.encode() * 100 + b'"}', clock.wall(), 5.0))
        await table.save()
        await table.get("a")
    again = await reopened(store, clock)
    assert again.bytes == table.bytes <= 1000
    assert table.has("a")
    assert table.has("j")
    assert not table.has("b")


async def test_clearing_leaves_nothing(store: Store) -> None:
    clock = ManualClock()
    table = TableStore(store, clock, 900.0, 10_000)
    table.put("a", entry(clock))
    await table.save()
    table.put("b", entry(clock))
    assert await table.clear() == 1
    await table.save()
    assert (len(table), len(await reopened(store, clock))) == (0, 0)


ASKED_MS = 9000.0


class Nodes:
    """Answers in the place of a fleet, and counts how often it is asked."""

    def __init__(self, **said: object) -> None:
        self.asked = 0
        self.said = said

    async def __call__(self) -> tuple[str | None, Searched]:
        self.asked += 1
        given = {"nodes": [NodeReport("shop", "ok")], "partial": False, **self.said}
        return "k", Searched(query="tent", hits=[], total=0, took_ms=ASKED_MS, **given)  # type: ignore[arg-type]


def wanted(**search: object) -> CacheRequest:
    return CacheRequest(Search(query="tent", **search), "k", time.perf_counter())  # type: ignore[arg-type]


async def test_the_first_question_is_asked_and_the_next_is_answered_after_a_restart_too(store: Store) -> None:
    nodes, clock = Nodes(), ManualClock()
    for _ in range(2):
        cache = Cache(store, clock, SearchConfig())
        await cache.load()
        found = [await cache.answer(wanted(), nodes) for _ in range(2)]
        await cache.close()
        assert found[1].cached
    assert found[0].cached
    assert found[0].took_ms != ASKED_MS  # that was the first time
    assert nodes.asked == 1


@pytest.mark.parametrize(
    "said",
    [
        {"nodes": [NodeReport("shop", "timeout")], "partial": True},
        {"nodes": [NodeReport("shop", "open")]},
        {"nodes": [NodeReport("shop", "partial")]},
        {"coverage": 0.9},
    ],
    ids=str,
)
async def test_an_answer_that_lacks_something_is_not_kept(store: Store, said: dict[str, object]) -> None:
    nodes, cache = Nodes(**said), Cache(store, ManualClock(), SearchConfig())
    for _ in range(2):
        assert not (await cache.answer(wanted(), nodes)).cached
    assert nodes.asked == 2
    await cache.close()


async def test_refresh_asks_and_keeps_off_does_neither_and_explanations_are_not_kept(store: Store) -> None:
    nodes, cache = Nodes(), Cache(store, ManualClock(), SearchConfig())
    for how in ({"cache": "off"}, {"explain": True}, {"cache": "refresh"}, {"cache": "off"}, {"cache": "refresh"}):
        assert not (await cache.answer(wanted(**how), nodes)).cached
    assert nodes.asked == 5
    assert (await cache.answer(wanted(), nodes)).cached
    assert await cache.clear() == 1
    assert not (await cache.answer(wanted(), nodes)).cached
    await cache.close()


async def test_an_answer_that_was_short_of_time_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, cache = Nodes(), Cache(store, ManualClock(), SearchConfig())

    async def slow() -> tuple[str | None, Searched]:
        now = time.perf_counter() + 20.0
        monkeypatch.setattr("fleetfold_master.search.cache.query_cache.time", SimpleNamespace(perf_counter=lambda: now))
        return await nodes()

    await cache.answer(wanted(timeout_ms=30_000), slow)
    monkeypatch.undo()
    assert not (await cache.answer(wanted(), nodes)).cached
    await cache.close()


async def test_nothing_is_kept_where_the_time_is_nought(store: Store) -> None:
    nodes, cache = Nodes(), Cache(store, ManualClock(), SearchConfig(cache_s=0.0))
    for _ in range(2):
        assert not (await cache.answer(wanted(), nodes)).cached
    assert cache.stats().entries == cache.stats().memory_entries == 0
    await cache.close()


async def test_late_answers_that_complete_an_answer_are_kept(store: Store) -> None:
    nodes, cache = (
        Nodes(nodes=[NodeReport("shop", "timeout")], partial=True),
        Cache(store, ManualClock(), SearchConfig()),
    )
    part = await cache.answer(wanted(), nodes)
    assert not cache.complete("k", part, 9.0)
    _, whole = await Nodes()()
    assert cache.complete("k", whole, 9.0)
    assert (await cache.answer(wanted(), nodes)).cached
    await cache.close()
