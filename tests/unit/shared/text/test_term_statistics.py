from __future__ import annotations

import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_child.index.collection_statistics import Difference, Statistics
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.base import encode
from fleetfold_shared.messages.statistics_messages import StatisticsChunk
from fleetfold_shared.text.scoring import weigh
from fleetfold_shared.text.term_statistics import (
    MAX_CHUNK_BYTES,
    MergedCorpus,
    StatisticsTable,
    pack_terms,
    unpack_terms,
)
from support.search import document, statistics_of

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
    "terms",
    [
        b"junk",
        zlib.compress(b'{"a": -1}'),
        zlib.compress(b'{"a": 1e30}'),
        zlib.compress(b'{"a": 1000000001}'),
        zlib.compress(b'{"": 1}'),
        zlib.compress(b'{"' + b"a" * 65 + b'": 1}'),
        zlib.compress(b'{"a":' + b" " * (8 * MAX_CHUNK_BYTES) + b"1}"),
    ],
)
def test_a_chunk_that_is_none_is_refused(terms: bytes) -> None:
    chunk = StatisticsChunk(incarnation="x", epoch=1, documents=1, length=1, full=True, terms=terms)
    with pytest.raises(InvalidInput, match="terms"):
        StatisticsTable().apply(chunk)


def chunk(**more: Any) -> StatisticsChunk:
    given = {"incarnation": "x", "epoch": 1, "documents": 2, "length": 2, "full": True, "terms": pack_terms({"a": 2})}
    return StatisticsChunk(**(given | more))


@pytest.mark.parametrize(
    ("field", "counts"),
    [
        ("documents", {"documents": -1}),
        ("documents", {"documents": 10**12}),
        ("length", {"length": -1}),
        ("length", {"length": 10**20}),
        ("epoch", {"epoch": -1}),
    ],
)
def test_a_node_that_claims_the_absurd_is_refused_by_its_field(field: str, counts: dict[str, int]) -> None:
    with pytest.raises(InvalidInput) as refused:
        StatisticsTable().apply(chunk(**counts))
    assert refused.value.field == field


def test_a_term_is_never_in_more_documents_than_there_are() -> None:
    table = StatisticsTable()
    table.apply(chunk(terms=pack_terms({"a": 10**9})))
    assert (table.df("a"), table.df("b")) == (2, 0)


def test_a_transfer_that_does_not_go_on_is_refused() -> None:
    table = StatisticsTable()
    table.apply(chunk(next_offset=5))
    with pytest.raises(InvalidInput, match="next_offset"):
        table.apply(chunk(full=False, next_offset=5))


def test_more_terms_than_a_collection_can_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetfold_shared.text.term_statistics.MAX_TERMS", 1)
    with pytest.raises(InvalidInput, match="terms"):
        StatisticsTable().apply(chunk(terms=pack_terms({"a": 1, "b": 1})))


def test_a_difference_to_what_is_not_held_is_refused_and_what_was_known_stays() -> None:
    table = StatisticsTable()
    table.apply(chunk())
    with pytest.raises(InvalidInput, match="incarnation"):
        table.apply(chunk(incarnation="y", full=False, terms=pack_terms({"b": 1})))
    table.restart()
    assert (table.incarnation, table.df("a"), table.df("b")) == ("x", 2, 0)
    assert table.ask("docs").since == 1


@given(st.lists(documents, min_size=2, max_size=5), st.integers(1, 60), st.data())
def test_chunks_that_are_lost_or_come_twice_do_no_harm(
    rounds: list[list[list[str]]], size: int, data: st.DataObject
) -> None:
    """Either way the transfer is broken off, as the master does at any error, and begun anew; here up to five times."""
    statistics, table, faults = Statistics(), StatisticsTable(), 5
    for added in rounds:
        change(statistics, added)
        complete = False
        while not complete:
            answer = statistics.delta(table.ask("docs"), max_bytes=size)
            fault = data.draw(st.sampled_from(["none", "lost", "twice"])) if faults else "none"
            faults -= fault != "none"
            if fault == "lost":
                table.restart()
                continue
            complete = table.apply(answer)
            if fault == "twice" and not complete:
                with suppress(InvalidInput):
                    table.apply(answer)
                table.restart()
    assert same(statistics, table)


def test_a_term_that_no_document_has_weighs_as_one_index_would_weigh_it() -> None:
    whole, table = statistics_of([document("1", "a b"), document("2", "a")]), StatisticsTable()
    transfer(whole, table)
    for corpus in (table, MergedCorpus([table, StatisticsTable()])):
        assert weigh({"zebra": 2, "b": 1}, corpus) == weigh({"zebra": 2, "b": 1}, whole)
    assert weigh({"zebra": 1}, MergedCorpus([])).divisor > 0
