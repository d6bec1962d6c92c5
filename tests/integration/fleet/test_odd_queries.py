"""Whatever stands in a query, a filter or an id is text: it changes nothing but what is found, and harms nothing."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetfold.errors import FleetfoldError
from fleetfold.search_request import SearchOptions
from fleetfold_child.index.candidate_index import CandidateIndex
from fleetfold_child.index.filters import where
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Filter, Sort
from support.effort import effort, some
from support.inprocess import Fleet, running_fleet
from support.oddities import ODD

MEMORY, CANDIDATES = "memory", "candidates"
FIELDS = ["id", "title", "label"]
ORDERS = ["ne", "lt", "lte", "gt", "gte"]
EVERY: list[dict[str, Any]] = [
    {
        "id": odd,
        "title": odd if odd.strip() else f"{odd}blank",
        "content": "a tent",
        "label": odd,
        "nested": {odd: {odd: odd}},
    }
    | ({} if odd in {"id", "title"} else {odd: "odd key"})  # as keys of a record these are what they are called
    for odd in ODD
]
"""Records that all match the query «tent». A blank title is none, so those have a word more."""


HOLDS: dict[Any, Any] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge,
    "contains": operator.contains,
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shops(tmp_path_factory: pytest.TempPathFactory, nats_server: str) -> AsyncIterator[Fleet]:
    """One node that searches in memory and one that has LanceDB choose candidates, with the same documents."""
    async with running_fleet(tmp_path_factory.mktemp("odd")) as fleet:
        for name in (MEMORY, CANDIDATES):
            child = await fleet.start(fleet.declare(name).collection("products", reading=Reading(format="text")))
            ask = {"collection": "products", "documents": EVERY}
            assert (await fleet.client.run("index", ask, nodes=[name])).state == "ok"
            if name == CANDIDATES:
                products = child._collections["products"]
                products._committer.index = await CandidateIndex.open(products._table)
        yield fleet


async def found(fleet: Fleet, test: Filter | None) -> dict[str, list[str]]:
    """The ids that each node has for the filter, sorted."""
    every: dict[str, list[str]] = {}
    for name in (MEMORY, CANDIDATES):
        answer = await fleet.client.search(
            "tent", limit=100, filter=test, nodes=[name], options=SearchOptions(cache="off"), timeout_s=10
        )
        assert [(one.status, one.error, one.exact) for one in answer.nodes] == [("ok", None, name == MEMORY)]
        every[name] = sorted(hit.id for hit in answer.hits)
    return every


def both(wanted: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """The ids of these records, on either node."""
    ids = sorted(one["id"] for one in wanted)
    return {MEMORY: ids, CANDIDATES: ids}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("field", FIELDS)
async def test_an_odd_value_is_compared_as_it_is(shops: Fleet, field: str) -> None:
    for odd in some(ODD, 3, FIELDS.index(field)):
        assert await found(shops, Filter(field=field, value=odd)) == both(one for one in EVERY if one[field] == odd), (
            repr(odd)
        )


@pytest.mark.parametrize("field", FIELDS)
async def test_an_odd_value_is_contained_as_it_is(shops: Fleet, field: str) -> None:
    for odd in some(ODD, 3, FIELDS.index(field)):
        test = Filter(field=field, op="contains", value=odd)
        assert await found(shops, test) == both(one for one in EVERY if odd in one[field]), repr(odd)


@pytest.mark.parametrize("op", ORDERS)
async def test_odd_values_have_the_order_of_their_code_points(shops: Fleet, op: Any) -> None:
    holds = HOLDS[op]
    for odd in some(ODD, 5, ORDERS.index(op)):
        test = Filter(field="title", op=op, value=odd)
        assert await found(shops, test) == both(one for one in EVERY if holds(one["title"], odd)), repr(odd)


async def test_odd_values_stand_in_lists_and_under_not_as_they_are(shops: Fleet) -> None:
    for field in ("id", "title", "label"):
        within = Filter(field=field, op="in", value=list(ODD[::2]))
        assert await found(shops, within) == both(one for one in EVERY if one[field] in ODD[::2])
        assert await found(shops, Filter(none=[within])) == both(one for one in EVERY if one[field] not in ODD[::2])
    for odd in some(ODD, 3):
        either = Filter(any=[Filter(field="id", value=odd), Filter(none=[Filter(field="title", value=odd)])])
        assert await found(shops, either) == both(EVERY), repr(odd)


async def test_an_odd_field_is_a_name_like_any_other(shops: Fleet) -> None:
    for odd in some(ODD, 2, 1):
        if odd in {"id", "title"}:
            continue
        there = await found(shops, Filter(field=odd, value="odd key"))
        assert there == both(one for one in EVERY if one.get(odd) == "odd key"), repr(odd)
        exists = await found(shops, Filter(field=odd, op="exists", value=True))
        assert set(there[MEMORY]) <= set(exists[MEMORY])
        assert exists[MEMORY] == exists[CANDIDATES]


@pytest.mark.parametrize("field", ["id", "title"])
async def test_the_sql_of_a_filter_lets_through_what_the_filter_does_and_no_more(shops: Fleet, field: str) -> None:
    table = shops.children[CANDIDATES]._collections["products"]._table.handle
    for odd in ODD:
        for op, holds in HOLDS.items():
            sql = where(Filter(field=field, op=op, value=odd))
            assert await table.count_rows(sql) == sum(holds(one[field], odd) for one in EVERY), (op, odd)


@pytest.mark.parametrize("op", ["eq", "contains", "gte"])
async def test_a_very_long_value_is_one_like_any_other(shops: Fleet, op: Any) -> None:
    for field in ("id", "title", "label"):
        there = await found(shops, Filter(field=field, op=op, value="z'" * 100_000))
        wanted = [one for one in EVERY if HOLDS[op](one[field], "z'" * 100_000)]
        assert there == both(wanted)


async def test_odd_fields_are_counted_and_sorted_by(shops: Fleet) -> None:
    for odd in (one for one in some(ODD, 2) if len(one) <= 200):
        answer = await shops.client.search(
            "tent", options=SearchOptions(facets=[odd]), sort=[Sort(odd)], nodes=[MEMORY], timeout_s=10
        )
        of_all = odd in {"id", "title"}
        counted = (len(EVERY), 0) if of_all else (1, len(EVERY) - 1)
        assert (answer.facets[0].distinct, answer.facets[0].missing) == counted, odd
        assert answer.hits[0].id == (min(ODD) if of_all else odd)


@settings(max_examples=effort(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    field=st.sampled_from(["id", "title", "label"]) | st.text(min_size=1, max_size=20),
    op=st.sampled_from(["eq", "ne", "lt", "gte", "contains"]),
    value=st.text(max_size=40) | st.sampled_from(ODD),
    negated=st.booleans(),
)
async def test_any_text_as_field_and_value_finds_the_same_on_both_indexes(
    shops: Fleet, field: str, op: Any, value: str, negated: bool
) -> None:
    test = Filter(field=field, op=op, value=value)
    there = await found(shops, Filter(none=[test]) if negated else test)
    assert there[MEMORY] == there[CANDIDATES]
    if field in {"id", "title", "label"} and op == "eq":
        assert there == both(one for one in EVERY if (one[field] == value) is not negated)


async def test_odd_ids_are_deleted_one_by_one(shops: Fleet) -> None:
    try:
        for odd in some([one for one in ODD if "%" in one or "'" in one or "\\" in one], 2):
            for name in (MEMORY, CANDIDATES):
                job = await shops.client.run("delete", {"collection": "products", "ids": [odd]}, nodes=[name])
                assert job.state == "ok"
            assert await found(shops, None) == both(one for one in EVERY if one["id"] != odd)
            for name in (MEMORY, CANDIDATES):
                ask = {"collection": "products", "documents": [one for one in EVERY if one["id"] == odd]}
                assert (await shops.client.run("index", ask, nodes=[name])).state == "ok"
    finally:
        assert await found(shops, None) == both(EVERY)


QUERIES = {
    "one dead letter": "t",
    "one emoji": "🏕️",
    "a family": "👩‍👩‍👧 tent",
    "right to left": "שלום tent مرحبا \u202e",
    "NUL": "te\0nt \0",
    "stop words": "the of and to a in",
    "punctuation": "?!.,;:'\"()[]{}<>-_/\\|@#$%^&*~`",
    "combining": "e" + "\u0301" * 3000,
    "no word": "\u200b\u200d\ufeff",
    "one long word": "x" * 100_000,
    "many words": "tent " * 20_000,
    "many different words": " ".join(f"w{number}" for number in range(14_000)),
    "many emoji": "🏕️" * 50_000,
    "astral": "\U0010ffff" * 100_000,
    "syntax of a full text query": 'tent AND (title:"x" OR *) +a -b ~2 ^3',
}


@pytest.mark.parametrize("name", QUERIES)
async def test_any_query_is_answered_in_time_by_every_node(shops: Fleet, name: str) -> None:
    answer = await shops.client.search(
        QUERIES[name][:100_000],
        limit=5,
        options=SearchOptions(highlight=True, explain=True, dedup="near"),
        timeout_s=30,
    )
    assert {report.node: (report.status, report.error) for report in answer.nodes} == {
        MEMORY: ("ok", None),
        CANDIDATES: ("ok", None),
    }


@settings(max_examples=effort(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=200))
async def test_any_text_is_a_query_or_is_refused_as_empty(shops: Fleet, text: str) -> None:
    if text.strip():
        assert not (
            await shops.client.search(text, options=SearchOptions(highlight=True, cache="off"), timeout_s=10)
        ).partial
    else:
        with pytest.raises(InvalidInput, match="query: it is empty"):
            await shops.client.search(text)


@pytest.mark.parametrize(("text", "why"), [("", "empty"), ("  \n", "empty"), ("x" * 100_001, "100000")])
async def test_a_query_of_nothing_or_of_too_much_is_refused_by_name(shops: Fleet, text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as error:
        await shops.client.search(text)
    assert error.value.field == "query"


MALFORMED = {
    "half of a surrogate pair": b'{"query": "\\ud800 tent"}',
    "a surrogate in UTF-8": b'{"query": "\xed\xa0\x80"}',
    "not UTF-8": b'{"query": "\xff\xfe"}',
    "cut short": b'{"query": "tent',
    "nothing": b"",
    "deep": b'{"query": "tent", "filter": ' + b'{"all": [' * 5000 + b"]}" * 5000 + b"}",
    "not finite": b'{"query": "tent", "threshold": 1e999}',
    "a filter of a surrogate": b'{"query": "tent", "filter": {"field": "label", "value": "\\udfff"}}',
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_usable_json_is_refused_and_harms_nothing(shops: Fleet, name: str) -> None:
    bus = shops.client._caller.bus
    with pytest.raises(FleetfoldError) as error:
        await bus.ask(bus.subjects.api(bus.caller, "search.query"), MALFORMED[name], 5.0)
    assert error.value.code == "invalid_input", error.value
    assert await found(shops, None) == both(EVERY)
