from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_child.index.statistics import Difference, Statistics
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.base import encode
from fleetfold_shared.messages.statistics import StatisticsChunk
from fleetfold_shared.statistics import MAX_CHUNK_BYTES, StatisticsTable, unpack_terms

WORDS = [f"w{i}" for i in range(30)]
documents = st.lists(st.lists(st.sampled_from(WORDS), max_size=8), max_size=8)


def change(statistics: Statistics, added: list[list[str]], removed: list[list[str]] | None = None) -> None:
    difference = Difference()
    for terms in added:
        difference.add(terms)
    for terms in removed or []:
        difference.remove(terms)
    statistics.apply(difference)


def transfer(statistics: Statistics, table: StatisticsTable, max_bytes: int = MAX_CHUNK_BYTES) -> int:
    chunks = 1
    while not table.apply(statistics.delta(table.ask("docs"), max_bytes=max_bytes)):
        chunks += 1
    return chunks


def same(statistics: Statistics, table: StatisticsTable) -> bool:
    counts = (statistics.documents, statistics.length, statistics.epoch, statistics.incarnation)
    return counts == (table.documents, table.length, table.epoch, table.incarnation) and all(
        statistics.df(word) == table.df(word) for word in WORDS
    )


@given(st.lists(documents, min_size=1, max_size=6), st.integers(1, 200))
def test_the_masters_copy_follows_every_change_in_chunks_of_any_size(rounds: list[list[list[str]]], size: int) -> None:
    statistics, table = Statistics(), StatisticsTable()
    before: list[list[str]] = []
    for added in rounds:
        change(statistics, added, before)
        before = added
        transfer(statistics, table, size)
        assert same(statistics, table)


@given(documents, documents, documents)
def test_a_change_in_the_middle_of_a_transfer_is_caught_by_the_next(
    first: list[list[str]], second: list[list[str]], third: list[list[str]]
) -> None:
    statistics, table = Statistics(), StatisticsTable()
    change(statistics, first)
    change(statistics, second)
    complete = table.apply(statistics.delta(table.ask("docs"), max_bytes=20))
    change(statistics, third, first)
    if not complete:
        transfer(statistics, table, 20)
    transfer(statistics, table, 20)
    assert same(statistics, table)


def test_an_unchanged_collection_sends_an_empty_delta() -> None:
    statistics, table = Statistics(), StatisticsTable()
    change(statistics, [["a", "b"]])
    transfer(statistics, table)
    assert unpack_terms(statistics.delta(table.ask("docs")).terms) == {}


def test_only_what_changed_is_sent_and_what_is_gone_is_forgotten() -> None:
    statistics, table = Statistics(), StatisticsTable()
    change(statistics, [["a", "b"], ["a"]])
    transfer(statistics, table)
    change(statistics, [["a", "c"]], [["a", "b"]])
    assert unpack_terms(statistics.delta(table.ask("docs")).terms) == {"b": 0, "c": 1}
    transfer(statistics, table)
    assert (table.df("a"), table.df("b"), table.df("c")) == (2, 0, 1)


def test_a_restarted_node_makes_the_master_forget() -> None:
    old, new, table = Statistics("one"), Statistics("two"), StatisticsTable()
    change(old, [["a", "b"]])
    transfer(old, table)
    change(new, [["c"]])
    transfer(new, table)
    assert (table.df("a"), table.df("c"), table.documents) == (0, 1, 1)


def test_a_node_that_restarts_in_the_middle_of_a_transfer_starts_it_anew() -> None:
    old, new, table = Statistics("one"), Statistics("two"), StatisticsTable()
    change(old, [["a", "b"]])
    assert not table.apply(old.delta(table.ask("docs"), max_bytes=1))
    change(new, [["c"]])
    transfer(new, table)
    assert (table.df("a"), table.df("b"), table.df("c")) == (0, 0, 1)


def test_what_was_known_stays_in_use_until_a_transfer_is_complete() -> None:
    old, new, table = Statistics("one"), Statistics("two"), StatisticsTable()
    change(old, [["a"]])
    transfer(old, table)
    change(new, [["b"], ["c"]])
    assert not table.apply(new.delta(table.ask("docs"), max_bytes=1))
    assert (table.documents, table.df("a"), table.df("b")) == (1, 1, 0)


def test_a_chunk_fits_the_broker_even_when_nothing_compresses() -> None:
    statistics = Statistics()
    change(statistics, [[f"{hash((i, j)):x}" * 3 for j in range(1000)] for i in range(60)])
    chunk = statistics.delta(StatisticsTable().ask("docs"))
    assert chunk.next_offset is not None
    assert len(encode(chunk)) < 1_000_000


@pytest.mark.parametrize(
    "terms", [b"junk", zlib.compress(b'{"a": -1}'), zlib.compress(b'{"a":' + b" " * (8 * MAX_CHUNK_BYTES) + b"1}")]
)
def test_a_chunk_that_is_none_is_refused(terms: bytes) -> None:
    chunk = StatisticsChunk(incarnation="x", epoch=1, documents=1, length=1, full=True, terms=terms)
    with pytest.raises(InvalidInput, match="terms"):
        StatisticsTable().apply(chunk)
