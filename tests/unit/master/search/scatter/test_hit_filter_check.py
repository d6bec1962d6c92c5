"""A hit that contradicts the filter is found out where the hit itself can tell, and an honest one never is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.filters import predicate
from fleetfold_master.search.scatter.hit_filter_check import filter_verdict
from fleetfold_shared.hit_cutting import cut_to
from fleetfold_shared.messages import Filter, Parts, ScoredDocument
from support.paging import Lie, PagedNodes
from support.search import document

FIELDS = ["id", "title", "price", "tags", "maker", "maker.city", "a.b"]
scalars: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from([1.0, 0.5, "a", "1"])
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.sampled_from(["city", "b"]), scalars, max_size=2)
fillers = st.sampled_from(["", "word " * 2000])
documents = st.builds(
    lambda name, title, fields, filler: Document(name, title, filler, fields | ({"notes": filler} if filler else {})),
    st.sampled_from(["1", "a"]), st.sampled_from(["", "a", "a red shoe"]),
    st.dictionaries(st.sampled_from(["price", "tags", "maker", "a", "a.b"]), values, max_size=5), fillers,
)  # fmt: skip


def test_of(op: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[Filter]:
    return st.builds(lambda field, given: Filter(field=field, op=op, value=given), st.sampled_from(FIELDS), value)


test_of.__test__ = False  # type: ignore[attr-defined]
numbers_and_texts = st.integers(-2, 3) | st.sampled_from([1.0, "a", "1"])
tests = st.one_of(
    test_of("eq", scalars), test_of("ne", scalars), test_of("in", st.lists(scalars, min_size=1, max_size=3)),
    test_of("exists", st.booleans()), test_of("contains", numbers_and_texts), test_of("lt", numbers_and_texts),
    test_of("gte", numbers_and_texts),
)  # fmt: skip
filters = st.recursive(
    tests,
    lambda parts: st.builds(
        lambda every, some, none: Filter(all=every, any=some, none=none),
        st.lists(parts, min_size=1, max_size=2), st.none() | st.lists(parts, min_size=1, max_size=2),
        st.none() | st.lists(parts, min_size=1, max_size=2),
    ),
    max_leaves=6,
)  # fmt: skip


def hit_of(one: Document) -> ScoredDocument:
    return ScoredDocument("docs", one.id, 0.5, Parts(0.5, 0.5), one.title, one.content, one.metadata)


@given(documents, filters, st.sampled_from([200, 1500, 1_000_000]))
def test_a_document_that_matches_is_never_found_to_contradict(one: Document, given: Filter, room: int) -> None:
    if predicate(given)(one):
        assert filter_verdict(given)(cut_to(hit_of(one), room)) is not False


@given(documents, tests)
def test_a_whole_hit_that_has_the_field_tells(one: Document, given: Filter) -> None:
    verdict = filter_verdict(given)(hit_of(one))
    assert verdict is None or verdict == predicate(given)(one)
    if given.field == "id" or (given.field == "title" and one.title) or given.field in one.metadata:
        assert verdict is not None


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({"metadata": {"price": 99}}, "bad_answer"), ({"metadata": {"price": "1"}}, "bad_answer"),
        ({"metadata": {"price": None}}, "bad_answer"),
        ({"metadata": {}}, None), ({"metadata": {"price": 99, "notes": "x"}, "cut": ["metadata.notes"]}, "bad_answer"),
        ({"metadata": {"price": "cheap …"}, "cut": ["metadata.price"]}, None),
    ],
    ids=str,
)  # fmt: skip
async def test_a_node_whose_hit_contradicts_the_filter_is_reported(lie: dict[str, Any], code: str | None) -> None:
    fleet = PagedNodes()
    for node in ("liar", "shop"):
        await fleet.put(node, "docs", [document(f"{node}-{n}", "a light tent", price=n) for n in range(4)])
    changed: Lie = lambda _ask, answer: answer | {"hits": [answer["hits"][0] | lie, *answer["hits"][1:]]}  # noqa: E731
    fleet.lies["liar"] = changed
    found = await fleet.search("tent", filter=Filter(field="price", op="lte", value=2))
    assert [one.code for one in found.nodes] == [code, None]
    assert {one.node for one in found.hits} == ({"shop"} if code else {"liar", "shop"})
