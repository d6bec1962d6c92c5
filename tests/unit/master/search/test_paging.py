"""The pages of a question are its one answer, cut: nothing twice, nothing left out, whatever changes meanwhile."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from itertools import cycle
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetfold_child.connectors.documents import Document
from fleetfold_master.search.paging import Pages
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Filter, Hit, Search, SearchRequest, Term
from support.effort import effort
from support.paging import PagedNodes, placed
from support.search import document

Layout = dict[str, dict[str, list[Document]]]

TEXTS = ["red shoe", "red shoe", "red shoe blue hat", "blue", "wine", "red red wine", "", "the of"]
QUERIES = ["red shoe", "wine", "the of", "absent", "red blue hat wine cheese"]

ids = st.lists(st.sampled_from("abcdefghij"), max_size=7, unique=True)
stored_collections = ids.flatmap(
    lambda names: st.tuples(*(st.builds(document, st.just(one), st.sampled_from(TEXTS)) for one in names)).map(list)
)
layouts = st.dictionaries(
    st.sampled_from(["crm", "blog", "shop", "wiki"]),
    st.dictionaries(st.sampled_from(["posts", "items"]), stored_collections, min_size=1),
    min_size=1,
)
sizes = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(lambda some: cycle(some))


def new(number: int) -> list[Document]:
    """Documents that move every idf and the mean length."""
    return [
        document(f"new{number}-{i}", text * (number + 1)) for i, text in enumerate(["red ", "wine cheese ", "hat "])
    ]


@given(layouts, st.sampled_from(QUERIES), sizes, st.sampled_from([None, 0.05, 0.4]))
def test_the_pages_together_are_the_one_long_answer(
    layout: Layout, query: str, sizes: Any, threshold: float | None
) -> None:
    async def play() -> None:
        fleet = await PagedNodes.holding(layout)
        whole = await fleet.search(query, limit=100, threshold=threshold)
        pages = await fleet.pages(query, sizes, threshold=threshold)
        assert placed(pages) == placed([whole])
        assert [page.changed for page in pages] == [False] * len(pages)
        assert whole.cursor is None
        assert all(page.hits for page in pages[1:])

    asyncio.run(play())


@given(layouts, st.sampled_from(QUERIES), st.integers(1, 7), st.data())
def test_documents_that_did_not_change_keep_their_place_while_others_come(
    layout: Layout, query: str, size: int, data: st.DataObject
) -> None:
    async def play() -> None:
        fleet = await PagedNodes.holding(layout)
        whole = placed([await fleet.search(query, limit=100)])
        pages = [await fleet.search(query, limit=size)]
        while (cursor := pages[-1].cursor) is not None:
            if len(pages) < 5:
                node = data.draw(st.sampled_from([*layout, "late"]))
                await fleet.put(node, data.draw(st.sampled_from(["posts", "items"])), new(len(pages)))
            pages.append(await fleet.search(query, limit=size, cursor=cursor))
            assert pages[-1].changed
        hits = placed(pages)
        assert [one for one in hits if not one[2].startswith("new")] == whole
        assert len({one[:3] for one in hits}) == len(hits)

    asyncio.run(play())


@given(layouts, sizes)
def test_a_filters_pages_together_are_its_long_answer(layout: Layout, sizes: Any) -> None:
    test = Filter(any=[Filter(field="id", op="lt", value="c"), Filter(field="id", op="gte", value="f")])

    async def play() -> None:
        fleet = await PagedNodes.holding(layout)
        whole = await fleet.search("red shoe", limit=100, filter=test)
        assert placed(await fleet.pages("red shoe", sizes, filter=test)) == placed([whole])

    asyncio.run(play())


def twins(count: int) -> Layout:
    return {node: {"items": [document(f"{i}", "red shoe") for i in range(count)]} for node in ("shop", "blog")}


async def test_the_last_page_has_no_cursor_even_when_it_is_full() -> None:
    fleet = await PagedNodes.holding(twins(5))
    pages = await fleet.pages("red shoe", cycle([5]))
    assert [len(page.hits) for page in pages] == [5, 5]
    [only] = await fleet.pages("red shoe", [5], nodes=["shop"])
    assert (len(only.hits), only.cursor) == (5, None)


async def test_a_node_is_asked_for_no_more_than_the_page() -> None:
    fleet = await PagedNodes.holding(twins(9))
    await fleet.pages("red shoe", [2, 2])
    assert [ask.k for ask in fleet.asks] == [2, 2]
    assert [ask.after is None for ask in fleet.asks] == [True, False]


async def test_the_order_and_the_repetition_of_names_is_not_another_question() -> None:
    fleet = await PagedNodes.holding(twins(3))
    first = await fleet.search("red", limit=1, nodes=["shop", "blog"])
    again = await fleet.search("red", limit=2, nodes=["blog", "shop", "blog"], cursor=first.cursor, timeout_ms=99)
    assert len(again.hits) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"query": "red shoes"},
        {"filter": Filter(field="id", value="1")},
        {"threshold": 0.0},
        {"nodes": ["shop"]},
        {"collections": ["items"]},
    ],
)
async def test_a_cursor_of_another_question_is_refused(other: dict[str, Any]) -> None:
    fleet = await PagedNodes.holding(twins(3))
    first = await fleet.search("red shoe", limit=1)
    with pytest.raises(InvalidInput, match="cursor: it belongs to another question") as refused:
        await fleet.search(**({"query": "red shoe", "cursor": first.cursor} | other))
    assert refused.value.field == "cursor"


@pytest.mark.parametrize("text", ["", "1", "2lw", "x", "1====", "1é", "1\U0001f600", "1" + "A" * 999, "1 ", "\0"])
async def test_what_is_no_cursor_is_refused(text: str) -> None:
    fleet = await PagedNodes.holding(twins(1))
    with pytest.raises(InvalidInput) as refused:
        await fleet.search("red", cursor=text)
    assert refused.value.field == "cursor"


@settings(max_examples=effort(60))
@given(st.data())
def test_a_damaged_cursor_is_refused_or_bounded(data: st.DataObject) -> None:
    async def play() -> None:
        fleet = await PagedNodes.holding(twins(2))
        raw = bytearray(base64.urlsafe_b64decode(_padded(str((await fleet.search("red", limit=1)).cursor))))
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(InvalidInput):
            found = await fleet.search("red", limit=1, cursor=_cursor(bytes(raw)))
            assert all(0 < one.score <= 1.001 for one in found.hits)
            assert not found.partial

    asyncio.run(play())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((1, 0), float("nan")), ((1, 0), float("inf")), ((1, 0), 0.0), ((1, 0), -1.0),
        ((2,), [float("nan")]), ((2,), [float("inf")]), ((2,), [-1.0]), ((2,), [1e9]), ((2,), [1.0, 1.0]), ((2,), []),
        ((3,), 0.0), ((3,), 1e-300), ((3,), float("inf")), ((4,), -0.1), ((4,), 1.1), ((4,), float("nan")),
    ],
)  # fmt: skip
async def test_a_forged_number_is_refused(place: tuple[int, ...], value: Any) -> None:
    fleet = await PagedNodes.holding(twins(2))
    parts = msgspec.msgpack.decode(base64.urlsafe_b64decode(_padded(str((await fleet.search("red", limit=1)).cursor))))
    within = parts if len(place) == 1 else parts[place[0]]
    within[place[-1]] = value
    with pytest.raises(InvalidInput) as refused:
        await fleet.search("red", limit=1, cursor=_cursor(msgspec.msgpack.encode(parts)))
    assert refused.value.field == "cursor"


def _padded(cursor: str) -> str:
    return cursor[1:] + "=" * (-len(cursor[1:]) % 4)


def _cursor(packed: bytes) -> str:
    return "1" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


async def test_a_node_that_begins_anew_is_an_error_and_repeats_nothing() -> None:
    fleet = await PagedNodes.holding(twins(3))
    first = await fleet.search("red shoe", limit=4)
    fleet.forget_place = True
    second = await fleet.search("red shoe", limit=4, cursor=first.cursor)
    assert (second.hits, second.partial) == ([], True)
    assert {(one.status, "upgrade" in (one.error or "")) for one in second.nodes} == {("error", True)}


async def test_a_node_that_was_silent_returns_behind_the_place() -> None:
    fleet = await PagedNodes.holding(twins(3))
    fleet.silent = {"shop"}
    first = await fleet.search("red shoe", limit=2, timeout_ms=200)
    fleet.silent = set()
    second = await fleet.search("red shoe", limit=10, cursor=first.cursor)
    assert first.partial
    assert [one[:3] for one in placed([first, second])] == [
        *(("blog", "items", str(i)) for i in range(3)),
        *(("shop", "items", str(i)) for i in range(3)),
    ]


def test_a_cursor_is_short() -> None:
    pages = Pages(Search(query="a light tent for rain"), "wordllama-256")
    terms = [Term(f"term{i}", 1, 2.345678 + i) for i in range(5)]
    ask = SearchRequest(
        request="r", terms=terms, avgdl=41.7, divisor=9.1, k=10, deadline_ms=1, analyzer="a", embedder="e"
    )
    hit = Hit("shop", "products", "TNT-204", 0.712345678, {}, "", "")
    assert len(pages.following(ask, hit, [("shop", "products", "i1", 3)], {})) < 200
