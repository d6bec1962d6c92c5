"""A column answers what looking at each document answers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetfold_child.connectors.documents import Document
from fleetfold_child.index.doc_values import MAX_COLUMNS, Column, Columns
from fleetfold_child.index.filter_bitmaps import bitmap
from fleetfold_child.index.filters import predicate, reader
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages.search_criteria import Filter, Sort
from fleetfold_shared.query.facets import FacetCounter
from fleetfold_shared.query.filter_validation import check_filter
from fleetfold_shared.query.sorting import sorted_stably
from fleetfold_shared.query.value_normalisation import plain
from support.effort import effort
from support.search import document

HUGE = 2**53
numbers = st.sampled_from([0, 1, 1.0, 2, 2.5, -1, HUGE, HUGE + 1, float(HUGE), 1e300, 2**63])
texts = st.sampled_from(["", "a", "ab", "1", "Łódź", "x" * 99, "x" * 100, "x" * 100 + "y", "x" * 100 + "z"])
scalars = st.none() | st.booleans() | numbers | texts
values = scalars | st.lists(scalars, max_size=3) | st.lists(st.lists(scalars, max_size=1), max_size=1)
metadata = st.fixed_dictionaries(
    {}, optional={"a": values, "b": values, "c": st.fixed_dictionaries({}, optional={"d": values}), "c.d": scalars}
)
documents_lists = st.lists(metadata, max_size=12).map(
    lambda made: [document(str(i), "", "ab", **one) for i, one in enumerate(made)]
)
fields = st.sampled_from(["a", "b", "c", "c.d", "id", "title", "nowhere"])


def checked(given: Filter) -> bool:
    try:
        return check_filter(given) is given
    except InvalidInput:
        return False


tests = st.builds(
    Filter,
    field=fields,
    op=st.sampled_from(["eq", "ne", "lt", "lte", "gt", "gte", "in", "contains", "exists"]),
    value=scalars | st.lists(scalars, min_size=1, max_size=3),
).filter(checked)
filters = st.recursive(
    tests,
    lambda parts: st.builds(
        lambda kinds, some: Filter(**dict.fromkeys(kinds, some)),
        st.lists(st.sampled_from(["all", "any", "none"]), min_size=1, max_size=2),
        st.lists(parts, min_size=1, max_size=3),
    ),
    max_leaves=5,
)


@settings(max_examples=effort(80))
@given(documents_lists, filters)
def test_a_mask_holds_where_the_predicate_does(documents: list[Document], wanted: Filter) -> None:
    assert bitmap(Columns(documents), wanted).tolist() == [predicate(wanted)(one) for one in documents]


@settings(max_examples=effort(60))
@given(documents_lists, fields, st.data())
def test_counts_are_those_of_each_document(documents: list[Document], field: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.sampled_from(range(len(documents))), unique=True)) if documents else []
    counted, wanted = FacetCounter(), FacetCounter()
    Column.build(documents, field).count(np.array(sorted(rows), dtype=np.int64), counted)
    wanted.count(reader(field)(documents[row]) for row in rows)
    assert [*map(typed, counted.most(99))] == [*map(typed, wanted.most(99))]
    assert (counted.missing, counted.distinct) == (wanted.missing, wanted.distinct)


def typed(counted: tuple[Any, int]) -> tuple[type, Any, int]:
    return type(counted[0]), *counted


@settings(max_examples=effort(60))
@given(documents_lists, fields, st.booleans())
def test_ranks_are_the_order_of_the_sort(documents: list[Document], field: str, falling: bool) -> None:
    rows = np.arange(len(documents))
    ranks = Column.build(documents, field).ranks(rows, descending=falling)
    sort = Sort(field, "desc" if falling else "asc")
    wanted = sorted_stably(rows.tolist(), [sort], lambda row: [plain(reader(field)(documents[row]))])
    assert np.argsort(ranks, kind="stable").tolist() == wanted
    for one, other in pairwise(wanted):
        same = plain(reader(field)(documents[one])) == plain(reader(field)(documents[other]))
        assert same or ranks[one] < ranks[other]


def test_a_column_is_made_once_and_only_so_many_are_kept() -> None:
    columns = Columns([document("1", a=1)])
    first = columns["a"]
    for number in range(MAX_COLUMNS - 1):
        columns[f"field{number}"]
    assert columns["a"] is first
    columns["one more"]
    assert columns.has("a")
    assert not columns.has("field0")
