"""What memory keeps: fresh answers, within its bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.search.cache.cache_rows import packed
from fleetfold_master.search.cache.cache_statistics import CacheStatistics
from fleetfold_master.search.cache.memory_store import ENTRY_BYTES, Entry, MemoryStore
from fleetfold_master.search.cache.popular_queries import PopularQueries
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.messages import Search


def entry(clock: ManualClock, size: int = 100) -> Entry:
    return Entry(b"x" * size, clock.wall(), 5.0)


def test_an_answer_is_kept_for_its_time_and_not_longer() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, 900.0, 10_000)
    store.put("a", entry(clock))
    clock.advance(899.0)
    assert store.get("a") is not None
    clock.advance(1.0)
    assert store.get("a") is None
    assert (len(store), store.bytes) == (0, 0)


def test_an_answer_from_the_future_is_none() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, 900.0, 10_000)
    store.put("a", entry(clock))
    clock.advance(-10.0)
    assert store.get("a") is None


def test_those_used_least_lately_go_first() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, 900.0, 3 * (100 + ENTRY_BYTES))
    for key in "abc":
        store.put(key, entry(clock))
    store.get("a")
    store.put("d", entry(clock))
    assert [key for key in "abcd" if store.get(key)] == ["a", "c", "d"]
    store.clear()
    assert (len(store), store.bytes) == (0, 0)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3000)), max_size=60))
def test_it_never_holds_more_than_it_may(puts: list[tuple[str, int]]) -> None:
    clock = ManualClock()
    store = MemoryStore(clock, 900.0, 5000)
    for key, size in puts:
        store.put(key, entry(clock, size))
        there = [one for dead_letter in "abcdefgh" if (one := store.get(dead_letter))]
        assert store.bytes == sum(len(one.answer) + ENTRY_BYTES for one in there) <= 5000


def test_an_answer_is_packed_where_that_makes_it_smaller() -> None:
    long = b'{"a":"' + b"tent " * 1000 + b'"}'
    assert len(packed(long)) < len(long) / 10
    assert packed(b'{"a":1}') == b'{"a":1}'


def test_the_questions_asked_most_often_come_first_and_the_table_is_bounded() -> None:
    clock = ManualClock()
    popular = PopularQueries(clock, 3)
    for number in range(20):
        clock.advance(1.0)
        for query in ("tent", "stove"):
            popular.count(Search(query=query), Search(query=query))
        popular.count(Search(query="tent", timeout_ms=5 + number), Search(query="tent"))
        popular.count(Search(query=f"q{number}"), Search(query=f"q{number}"))
    assert [(one.asked.query, one.count) for one in popular.best(2)] == [("tent", 40), ("stove", 20)]
    assert len(popular.best(100)) < 6
    rows = popular.changes()
    assert rows is not None
    assert popular.changes() is None
    again = PopularQueries(clock, 3)
    again.load(rows)
    assert [one.asked.query for one in again.best(2)] == ["tent", "stove"]
    clock.advance(8 * 86_400.0)
    again.count(Search(query="new"), Search(query="new"))
    assert [row.times for row in again.changes() or []] == [1]


def test_pages_and_explanations_are_not_counted() -> None:
    popular = PopularQueries(ManualClock(), 3)
    for asked in (Search(query="tent", cursor="1x"), Search(query="tent", explain=True)):
        popular.count(asked, asked)
    assert popular.best(10) == []


def test_figures() -> None:
    figures = CacheStatistics(1.0)
    assert (figures.hit_rate, figures.mean_saved_ms) == (None, None)
    figures.misses += 1
    figures.shared += 1
    figures.hit(5.0, 1.0)
    figures.hit(5.0, 7.0)
    assert (figures.hit_rate, figures.mean_saved_ms) == (0.75, 2.0)
